//! What a shard does, one script per behaviour; and its places against a dull model.

mod again;
mod behind;
mod doubt;
mod members;
mod order;
mod places;
