//! What a shard does, one script per behaviour; and its places against a dull model.

mod behind;
mod doubt;
mod members;
mod order;
mod places;
