//! What the checker and the style rules find, and how grave that is.

use crate::lang::diagnostic::Code;
use crate::lang::diagnostic::SYNTAX;

/// How grave a finding is; the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The entry is refused.
    Error,
    /// Probably wrong.
    Warning,
    /// Could be better.
    Hint,
}

impl Severity {
    /// As it is written.
    pub fn text(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Hint => "hint",
        }
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident $code:literal $severity:ident,)*) => {
        $($(#[$doc])* pub const $name: Code = Code($code);)*

        /// All codes and their severities.
        pub const ALL: &[(Code, Severity)] =
            &[(SYNTAX, Severity::Error), $(($name, Severity::$severity),)*];
    };
}

codes! {
    /// A value does not fit the type of the variable, field or element it is put into.
    MISMATCH "E0001" Error,
    /// A function returns what it does not promise.
    RETURN "E0002" Error,
    /// A function promises a result and has no `return`.
    NO_RETURN "E0003" Error,
    /// A number, string or boolean is called.
    NOT_CALLABLE "E0004" Error,
    /// `+` with a string or boolean.
    OPERAND "E0005" Error,
    /// A declared record has no such field.
    NO_FIELD "E0006" Error,
    /// A field of a number or boolean.
    NOT_INDEXABLE "E0007" Error,
    /// Too few or too many arguments.
    ARGUMENT_COUNT "E0008" Error,
    /// An argument does not fit its parameter.
    ARGUMENT "E0009" Error,
    /// `require` of a name that the entry does not list.
    REQUIRE "E0010" Error,
    /// A module or host object has no such member.
    NO_MEMBER "E0011" Warning,
    /// An argument of a host function is missing, too much, or does not fit.
    HOST_ARGUMENT "E0012" Warning,
    /// A global that nothing declares.
    UNDEFINED "E0013" Warning,
    /// An operator other than `+` that cannot work with what it is given.
    OPERATION "E0014" Warning,
    /// A table lacks a field that its record type has.
    MISSING_FIELD "E0015" Warning,
    /// An empty block.
    EMPTY_BLOCK "W0001" Warning,
    /// A global is created.
    GLOBAL "W0002" Warning,
    /// Both sides of a comparison are the same.
    SAME_OPERANDS "W0003" Error,
    /// A local is never read.
    UNUSED_LOCAL "W0004" Warning,
    /// A parameter is never read.
    UNUSED_PARAMETER "W0005" Hint,
    /// A required module is never used.
    UNUSED_REQUIRE "W0006" Warning,
    /// A local hides another one.
    SHADOW "W0007" Hint,
}

/// How grave findings of a code are.
pub fn severity(code: Code) -> Severity {
    let known = ALL.iter().find(|(known, _)| *known == code);
    known.map_or(Severity::Error, |(_, severity)| *severity)
}
