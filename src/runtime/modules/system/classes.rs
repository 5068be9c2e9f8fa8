//! What `system.modules()` tells of each module.

use crate::infra::transcoder::Value;

const DETERMINISTIC: &str = "deterministic";
const ENCODING: &str = "encoding";
const IO: &str = "io";
const NONDETERMINISTIC: &str = "nondeterministic";
const PROCESS: &str = "process";
const SECURITY: &str = "security";
const STORAGE: &str = "storage";
const TIME: &str = "time";
const WORKFLOW: &str = "workflow";

/// Name, description and classes of the modules that there are. Specification 04, at its start.
const MODULES: &[(&str, &str, &[&str])] = &[
    ("channel", "channels between coroutines", &[PROCESS]),
    ("coroutine", "coroutines", &[]),
    ("ctx", "values that calls and processes hand on", &[NONDETERMINISTIC, WORKFLOW]),
    ("errors", "errors with a kind", &[]),
    ("events", "the event bus", &[IO, NONDETERMINISTIC]),
    ("funcs", "calls of functions", &[WORKFLOW, NONDETERMINISTIC]),
    ("io", "the terminal of a process", &[IO, NONDETERMINISTIC]),
    ("json", "JSON", &[ENCODING, DETERMINISTIC]),
    ("loader", "entries out of definition files", &[STORAGE, IO]),
    ("logger", "the log", &[IO]),
    ("math", "numbers", &[]),
    ("os", "dates and the clock", &[TIME, WORKFLOW]),
    ("payload", "content and its format", &[ENCODING, DETERMINISTIC]),
    ("pg", "groups of processes", &[PROCESS, NONDETERMINISTIC]),
    ("process", "processes and their messages", &[PROCESS, NONDETERMINISTIC, WORKFLOW]),
    ("registry", "the definitions of the application", &[STORAGE, NONDETERMINISTIC]),
    ("security", "actors, scopes and policies", &[SECURITY, NONDETERMINISTIC]),
    ("string", "texts", &[]),
    ("system", "the running system", &[PROCESS, NONDETERMINISTIC]),
    ("table", "tables", &[]),
    ("time", "instants, durations and timers", &[TIME, WORKFLOW]),
    ("tty", "drawing on terminals", &[IO, NONDETERMINISTIC]),
    ("uuid", "UUIDs", &[NONDETERMINISTIC, WORKFLOW]),
];

/// Sorted by name.
pub(super) fn list() -> Value {
    let row = |(name, description, classes): &(&str, &str, &[&str])| {
        let classes = classes.iter().map(|class| Value::from(*class)).collect();
        Value::from([
            ("name", Value::from(*name)),
            ("description", Value::from(*description)),
            ("class", Value::List(classes)),
        ])
    };
    Value::List(MODULES.iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::runtime::modules::{ALWAYS_THERE, GRANTED};

    #[test]
    fn all_modules_are_listed_by_name() {
        let listed: Vec<&str> = MODULES.iter().map(|(name, ..)| *name).collect();
        let there = GRANTED.iter().map(|module| module.name).chain(ALWAYS_THERE.iter().copied());
        assert_eq!(listed, Vec::from_iter(there.collect::<BTreeSet<_>>()));
    }
}
