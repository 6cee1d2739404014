//! The vocabulary in which a protocol says what its messages look like: fields, shapes, messages, envelopes.
//!
//! Invariant: everything is `const` and holds no decision; the codecs decide, and tests hold what is said here to them.

mod json;
mod protocol;
mod topics;

pub use json::Spelling;
pub use protocol::{Direction, Envelope, Message, Protocol, Topic};

/// A number that bounds something: absent, fixed by the protocol, or one of [`bongsu_model::Limits`] by its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bound {
    /// None.
    No,
    /// Always this.
    Of(u64),
    /// The limit of this name, which is a setting; its default is shown.
    Limit(&'static str),
}

/// What a field holds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Ty {
    /// A string of so many bytes of UTF-8.
    Text {
        /// At least so many.
        min: u64,
        /// At most so many.
        max: Bound,
    },
    /// A string that matches this expression as a whole; it begins with `^` and ends with `$`.
    Matching(&'static str),
    /// A string of exactly so many lower-case hex digits.
    Hex(u32),
    /// A moment in UTC: RFC 3339 with milliseconds and `Z`.
    Moment,
    /// One of these strings.
    OneOf(&'static [&'static str]),
    /// A whole number of 64 bits with a sign.
    Integer,
    /// A whole number from 0 up.
    Count,
    /// A whole number in a range.
    Between {
        /// At least.
        min: u64,
        /// At most.
        max: Bound,
    },
    /// A number, whole or not.
    Number,
    /// `true` or `false`.
    Bool,
    /// Always this one of the two.
    Always(bool),
    /// An object of this shape.
    Object(&'static Shape),
    /// An array.
    Array {
        /// What each entry is.
        of: &'static Ty,
        /// At most so many.
        max: Bound,
    },
    /// Any JSON object of at most so many bytes, carried as it is.
    Free {
        /// At most so many bytes without white space.
        max: Bound,
    },
    /// Any JSON value.
    Anything,
    /// That, or `null`, which then means something.
    Nullable(&'static Ty),
    /// Any one of these.
    Either(&'static [Ty]),
}

impl Ty {
    /// A string of any length.
    pub const TEXT: Self = Self::text(0, Bound::No);
    /// Any JSON object.
    pub const FREE: Self = Self::Free { max: Bound::No };

    /// A string of so many bytes.
    #[must_use]
    pub const fn text(min: u64, max: Bound) -> Self {
        Self::Text { min, max }
    }

    /// An array without a bound of its own.
    #[must_use]
    pub const fn array(of: &'static Self) -> Self {
        Self::Array { of, max: Bound::No }
    }
}

/// One field of an object.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Field {
    /// Its key.
    pub name: &'static str,
    /// What it holds.
    pub ty: Ty,
    /// Whether it is always there. A request without it is refused; a message of the server never lacks it.
    pub required: bool,
    /// What it means: a sentence, or some, for people.
    pub doc: &'static str,
}

impl Field {
    /// A field that is always there.
    #[must_use]
    pub const fn required(name: &'static str, ty: Ty, doc: &'static str) -> Self {
        Self {
            name,
            ty,
            required: true,
            doc,
        }
    }

    /// A field that may be absent.
    #[must_use]
    pub const fn optional(name: &'static str, ty: Ty, doc: &'static str) -> Self {
        Self {
            name,
            ty,
            required: false,
            doc,
        }
    }
}

/// What must hold between the fields of a shape.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rule {
    /// One of these at least is there. The first is what examples and tests send.
    SomeOf(&'static [&'static str]),
    /// At most one of these is there.
    OneAtMost(&'static [&'static str]),
}

/// What an object looks like.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Shape {
    /// Its name in the document, in capitals and small letters (`MediaStatus`); "" for a shape that stands in one place,
    /// and is written there.
    pub name: &'static str,
    /// What it is, for people; may be empty where the place says it.
    pub doc: &'static str,
    /// Its fields, in the order in which they are written.
    pub fields: &'static [Field],
    /// What must hold between them.
    pub rules: &'static [Rule],
    /// Whether other keys mean something, too. Where they do not a receiver ignores them, and the server sends none.
    pub open: bool,
}

impl Shape {
    /// No fields.
    pub const EMPTY: Self = Self::of(&[]);

    /// A shape that stands in one place.
    #[must_use]
    pub const fn of(fields: &'static [Field]) -> Self {
        Self {
            name: "",
            doc: "",
            fields,
            rules: &[],
            open: false,
        }
    }

    /// A shape that stands in several places.
    #[must_use]
    pub const fn named(name: &'static str, doc: &'static str, fields: &'static [Field]) -> Self {
        Self {
            name,
            doc,
            fields,
            rules: &[],
            open: false,
        }
    }

    /// The same with what must hold between its fields.
    #[must_use]
    pub const fn ruled(self, rules: &'static [Rule]) -> Self {
        Self { rules, ..self }
    }

    /// The same, and other keys mean something, too.
    #[must_use]
    pub const fn open(self) -> Self {
        Self { open: true, ..self }
    }
}
