//! What the lexer makes of the source: tokens and comments.

use super::span::Span;

/// A token. Its text is the source below its span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Does a line end stand between the token before and this one?
    pub newline: bool,
    /// Where it is.
    pub span: Span,
}

/// A comment, with its dashes and brackets but without the line end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comment {
    /// Where it is.
    pub span: Span,
    /// `--[[ ]]` rather than `--`.
    pub block: bool,
}

macro_rules! tokens {
    ($($name:ident $text:literal,)*) => {
        /// What a token is.
        ///
        /// `<<`, `>>` and `@name` are not tokens: angle brackets also enclose types, so the parser
        /// puts neighbours together. Only words reserved by Luau are keywords; `type`, `goto`, `as`
        /// and the like are names that the parser knows by their place.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum TokenKind {
            $(#[doc = $text] $name,)*
        }

        impl TokenKind {
            /// What messages call the token: `'do'`, `a name`.
            pub fn describe(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

tokens! {
    And "'and'", Break "'break'", Do "'do'", Else "'else'", Elseif "'elseif'", End "'end'",
    False "'false'", For "'for'", Func "'function'", If "'if'", In "'in'", Local "'local'",
    Nil "'nil'", Not "'not'", Or "'or'", Repeat "'repeat'", Return "'return'", Then "'then'",
    True "'true'", Until "'until'", While "'while'",
    Word "a name", Number "a number", Quoted "a string", LongString "a string",
    InterpSimple "a string", InterpBegin "a string", InterpMid "'}'", InterpEnd "'}'",
    Plus "'+'", Minus "'-'", Star "'*'", Slash "'/'", DoubleSlash "'//'", Percent "'%'",
    Caret "'^'", Hash "'#'", Amp "'&'", Pipe "'|'", Tilde "'~'", Bang "'!'", Question "'?'",
    Equal "'=='", NotEqual "'~='", Less "'<'", LessEqual "'<='", Greater "'>'",
    GreaterEqual "'>='", Assign "'='", PlusAssign "'+='", MinusAssign "'-='", StarAssign "'*='",
    SlashAssign "'/='", DoubleSlashAssign "'//='", PercentAssign "'%='", CaretAssign "'^='",
    ConcatAssign "'..='", LeftParen "'('", RightParen "')'", LeftBrace "'{'", RightBrace "'}'",
    LeftBracket "'['", RightBracket "']'", Semicolon "';'", Colon "':'", DoubleColon "'::'",
    Comma "','", Dot "'.'", Concat "'..'", Ellipsis "'...'", Arrow "'->'", At "'@'",
    Eof "the end of the file",
}

impl TokenKind {
    /// Is it one of Luau's reserved words?
    pub fn is_keyword(self) -> bool {
        (self as u8) <= TokenKind::While as u8
    }

    /// The keyword that a word is, if it is one.
    pub fn keyword(word: &[u8]) -> Option<TokenKind> {
        Some(match word {
            b"and" => Self::And,
            b"break" => Self::Break,
            b"do" => Self::Do,
            b"else" => Self::Else,
            b"elseif" => Self::Elseif,
            b"end" => Self::End,
            b"false" => Self::False,
            b"for" => Self::For,
            b"function" => Self::Func,
            b"if" => Self::If,
            b"in" => Self::In,
            b"local" => Self::Local,
            b"nil" => Self::Nil,
            b"not" => Self::Not,
            b"or" => Self::Or,
            b"repeat" => Self::Repeat,
            b"return" => Self::Return,
            b"then" => Self::Then,
            b"true" => Self::True,
            b"until" => Self::Until,
            b"while" => Self::While,
            _ => return None,
        })
    }
}
