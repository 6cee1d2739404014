//! What kind of principal a token speaks for.

/// The `role` claim of a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum Role {
    /// A person's client.
    #[default]
    User,
    /// A vehicle, a display, anything that takes commands.
    Device,
    /// A back end that acts for the application.
    Service,
    /// An operator.
    Admin,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::User, Self::Device, Self::Service, Self::Admin];
    /// The names of [`Self::ALL`], for error texts.
    pub const NAMES: [&'static str; 4] = ["user", "device", "service", "admin"];

    /// The name in tokens and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The role of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}
