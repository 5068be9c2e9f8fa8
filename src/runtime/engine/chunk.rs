//! Compiled sources: bytecode made once per entry version, loaded once per VM.

use std::ffi::CString;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use mlua::chunk::Compiler;

use crate::core::registry::EntryId;
use crate::infra::error::{Error, Result};
use crate::lang::diagnostic::Diagnostic;
use crate::lang::lexer;
use crate::lang::span::Lines;
use crate::lang::token::Token;
use crate::lang::translate;
use crate::runtime::engine::launch::Reliability;
use crate::runtime::modules::base;
use crate::runtime::modules::types;

/// A Lua entry ready to be started: bytecode and what its environment holds.
pub struct Definition {
    pub id: EntryId,
    /// The field of the chunk's table that is run; unused if the chunk returns a function.
    pub method: String,
    /// Host modules granted by `modules:`, beyond those that everybody has.
    pub modules: Vec<&'static str>,
    /// Name shown in errors: the entry id.
    pub chunk_name: CString,
    pub bytecode: Arc<[u8]>,
    /// Run before the chunk, in this order; what each returns is the global of its alias.
    pub libraries: Vec<Library>,
    /// Host modules that `imports:` gives another name.
    pub renamed: Vec<(String, &'static str)>,
    /// The source, or one of its libraries, names `_G`.
    pub names_globals: bool,
    pub cost: Cost,
    pub reliability: Reliability,
}

/// A library as one entry sees it.
#[derive(Clone)]
pub struct Library {
    pub alias: String,
    pub definition: Arc<Definition>,
}

/// What running this definition has cost so far: a hint for placement.
#[derive(Default)]
pub struct Cost {
    ended: AtomicU32,
    long: AtomicU32,
}

/// One long life in so many is the machine's doing, not the program's: a worker thread that the system
/// took off its core looks like a process that overstays.
const LONG_EXCUSED: u32 = 50;

/// Where a new process of a definition should go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// Nobody has seen one end, or many had long lives: they may run in parallel.
    MayBeLong,
    /// They end after a few turns, nearly always: best near whoever spawns them.
    Short,
}

impl Cost {
    /// Processes of this definition ended, some of them after a long life. A VM counts them and tells
    /// now and then: the words are shared by all workers.
    pub fn on_end(&self, processes: u32, of_them_long: u32) {
        let add = |word: &AtomicU32, n: u32| {
            // A hint: lost updates do no harm.
            word.store(word.load(Ordering::Relaxed).saturating_add(n), Ordering::Relaxed);
        };
        if of_them_long > 0 {
            add(&self.long, of_them_long);
        }
        add(&self.ended, processes);
    }

    pub fn habit(&self) -> Habit {
        let ended = self.ended.load(Ordering::Relaxed);
        let long = self.long.load(Ordering::Relaxed);
        match ended > 0 && long <= ended / LONG_EXCUSED {
            true => Habit::Short,
            false => Habit::MayBeLong,
        }
    }
}

impl Definition {
    /// Compiles `source`. An error in it names entry, line, column and reason, and shows the line.
    pub fn compile(
        id: EntryId,
        method: &str,
        source: &str,
        modules: Vec<&'static str>,
    ) -> Result<Definition> {
        let name = id.to_string();
        let bytecode = bytecode(&name, source)?;
        let chunk_name = CString::new(format!("={name}"))
            .map_err(|_| Error::invalid(format!("entry name contains a NUL: {name:?}")))?;
        Ok(Definition {
            id,
            method: method.to_owned(),
            modules,
            chunk_name,
            bytecode: bytecode.into(),
            libraries: Vec::new(),
            renamed: Vec::new(),
            names_globals: names_globals(source),
            cost: Cost::default(),
            reliability: Reliability::default(),
        })
    }
}

impl Definition {
    /// The same code with libraries. Its cost is counted anew.
    pub fn linked(
        &self,
        modules: Vec<&'static str>,
        libraries: Vec<Library>,
        renamed: Vec<(String, &'static str)>,
    ) -> Definition {
        let names_globals =
            self.names_globals || libraries.iter().any(|library| library.definition.names_globals);
        Definition {
            id: self.id.clone(),
            method: self.method.clone(),
            modules,
            chunk_name: self.chunk_name.clone(),
            bytecode: self.bytecode.clone(),
            libraries,
            renamed,
            names_globals,
            cost: Cost::default(),
            reliability: Reliability::default(),
        }
    }
}

/// Does it name the table of its globals, be it for `require`?
fn names_globals(source: &str) -> bool {
    let is_name = |token: &Token| matches!(token.span.text(source), "_G" | "\"_G\"" | "'_G'");
    source.contains("_G") && lexer::lex(source).tokens.iter().any(is_name)
}

/// Compiles the source of entry `name`, translated if it is not plain Luau.
fn bytecode(name: &str, source: &str) -> Result<Vec<u8>> {
    // Most programs are plain: then the front end has nothing to do but to see that.
    if !translate::may_be_mistaken(source)
        && let Ok(bytecode) = compiler(source, false).compile(source)
    {
        return Ok(bytecode);
    }
    let translated = translate::translate(source).map_err(|found| wrong(name, source, &found))?;
    if let Some(declarations) = &translated.types {
        let verified = types::verify(declarations);
        verified.map_err(|problem| Error::invalid(format!("{name}: {problem}")))?;
    }
    compiler(source, translated.types.is_some())
        .compile(&*translated.text)
        .map_err(|error| limit_exceeded(name, source, &error))
}

fn compiler(source: &str, has_type_values: bool) -> Compiler {
    // Luau's instruction for `type(v)` knows no type values. It is left out where they may be asked
    // for: `type(v) == "type"`.
    let asks = has_type_values || ["\"type\"", "'type'"].iter().any(|text| source.contains(text));
    let overridden = base::OVERRIDDEN.iter().copied().chain(asks.then_some("type"));
    Compiler::new().set_optimization_level(1).set_debug_level(1).set_disabled_builtins(overridden)
}

/// The first thing that the front end has found wrong, as `app:cli:LINE:COLUMN: reason` with the source
/// line below.
fn wrong(name: &str, source: &str, found: &[Diagnostic]) -> Error {
    let Some(first) = found.first() else { return Error::invalid(name) };
    let (line, column) = Lines::new(source).position(first.span.start);
    let mut message = format!("{name}:{line}:{column}: {}", first.message);
    message += &shown(source, line as usize);
    if let Some(help) = &first.help {
        message += &format!("\n  {help}");
    }
    Error::invalid(message)
}

/// What Luau's compiler does not take although it parses: too many locals, too deep nesting.
fn limit_exceeded(name: &str, source: &str, error: &mlua::Error) -> Error {
    let text = match error {
        mlua::Error::SyntaxError { message, .. } => message.clone(),
        other => other.to_string(),
    };
    // The compiler's text is `:LINE: reason`, mlua may put a chunk name before it.
    let (line, reason) = text
        .split(':')
        .enumerate()
        .find_map(|(n, part)| Some((n, part.trim().parse::<usize>().ok()?)))
        .map_or((None, text.clone()), |(n, line)| {
            let reason: Vec<&str> = text.split(':').skip(n + 1).collect();
            (Some(line), reason.join(":").trim().to_owned())
        });
    Error::invalid(match line {
        Some(line) => format!("{name}:{line}: {reason}{}", shown(source, line)),
        None => format!("{name}: {reason}"),
    })
}

/// A line of the source, from 1, to be put below a message.
fn shown(source: &str, line: usize) -> String {
    let text = source.lines().nth(line.saturating_sub(1)).unwrap_or_default().trim_end();
    let text: String = text.chars().take(160).collect();
    format!("\n  {line} | {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_syntax_error_says_where_and_shows_the_line() {
        let source = "local x = 1\nlocal y = = 2\nreturn {}";
        let error = Definition::compile(EntryId::parse("app:bad"), "main", source, vec![])
            .map(|_| ())
            .expect_err("does not parse");
        let text = error.to_string();
        assert!(text.starts_with("app:bad:2:11: "), "{text}");
        assert!(text.contains("2 | local y = = 2"), "{text}");
    }

    /// Specification 02, section 3.1: these are no programs, whatever a translation would make of them.
    #[test]
    fn types_that_are_none_are_refused_when_an_entry_is_loaded() {
        for (source, expected) in [
            ("local x: number< = 42", "app:bad:1:18: expected a type, got '='"),
            ("local x: Map<string, = 42", "app:bad:1:22: expected a type, got '='"),
            ("x = 1 @@ 2", "app:bad:1:8: expected an attribute name right after '@', got '@'"),
            (
                "local x = 1 @@ 2",
                "app:bad:1:14: expected an attribute name right after '@', got '@'",
            ),
        ] {
            let error = Definition::compile(EntryId::parse("app:bad"), "main", source, vec![])
                .map(|_| ())
                .expect_err(source);
            let text = error.to_string();
            assert!(text.starts_with(expected), "{text}");
        }
    }

    #[test]
    fn habits_are_learned() {
        let cost = Cost::default();
        assert_eq!(cost.habit(), Habit::MayBeLong);
        cost.on_end(1, 0);
        assert_eq!(cost.habit(), Habit::Short);
        cost.on_end(1, 1);
        assert_eq!(cost.habit(), Habit::MayBeLong);
        cost.on_end(LONG_EXCUSED, 0);
        assert_eq!(cost.habit(), Habit::Short);
    }
}
