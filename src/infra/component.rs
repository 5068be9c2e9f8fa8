//! Components: the parts of the program that take part in its life, loaded level by level.
//!
//! Level 0 needs nothing; a component's level is one above the highest it needs. Components of one
//! level load at the same time, and what comes of it is as if they had loaded one by one in the order
//! of their names. Start goes in load order, stop in the reverse.
//!
//! | failure | result |
//! |---|---|
//! | two of one name | `ALREADY_EXISTS`; nothing is loaded |
//! | unknown need, or a cycle | `INTERNAL`, its cause names who is stuck; nothing is loaded |
//! | `load` | `INTERNAL`; no further level is loaded |
//! | `start` | `INTERNAL`; what had been started is stopped again, in reverse order |
//! | `stop` | `INTERNAL`; the others are stopped all the same |

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::infra::app_context::AppContext;
use crate::infra::error::{Error, Kind, Result};
use crate::infra::transcoder::Value;

pub trait Component: Send + Sync {
    /// Unique.
    fn name(&self) -> &'static str;

    /// Names of the components whose services `load` uses.
    fn needs(&self) -> &'static [&'static str] {
        &[]
    }

    /// Makes the service and attaches it to the context. Other services are not running yet.
    fn load(&self, context: &AppContext) -> Result<()>;

    /// Begins to work. The context is sealed.
    fn start(&self, _context: &AppContext) -> Result<()> {
        Ok(())
    }

    fn stop(&self, _context: &AppContext) -> Result<()> {
        Ok(())
    }
}

/// A step the loader has taken, for whoever logs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Loaded { name: &'static str, level: usize, took: Duration },
    Level { level: usize, components: usize, took: Duration },
    Started { name: &'static str, took: Duration },
    Stopped { name: &'static str, took: Duration },
}

/// Components in the order of their levels, by name within a level.
pub struct Loader {
    levels: Vec<Vec<Box<dyn Component>>>,
    /// How many, in load order, have been started.
    started: parking_lot::Mutex<usize>,
}

impl Loader {
    /// Puts the components in order. Fails on two of one name, an unknown need, or a cycle.
    pub fn new(components: Vec<Box<dyn Component>>) -> Result<Loader> {
        let mut waiting: BTreeMap<&'static str, Box<dyn Component>> = BTreeMap::new();
        for component in components {
            let name = component.name();
            if waiting.insert(name, component).is_some() {
                let message = format!("component already registered: {name}");
                return Err(Error::new(Kind::AlreadyExists, message));
            }
        }
        let mut levels: Vec<Vec<Box<dyn Component>>> = Vec::new();
        while !waiting.is_empty() {
            let ready: Vec<&'static str> = waiting
                .iter()
                .filter(|(_, c)| c.needs().iter().all(|need| is_placed(&levels, need)))
                .map(|(name, _)| *name)
                .collect();
            if ready.is_empty() {
                return Err(unresolved(&waiting));
            }
            levels.push(ready.iter().filter_map(|name| waiting.remove(name)).collect());
        }
        Ok(Loader { levels, started: parking_lot::Mutex::new(0) })
    }

    /// Names by level.
    pub fn levels(&self) -> Vec<Vec<&'static str>> {
        self.levels.iter().map(|level| level.iter().map(|c| c.name()).collect()).collect()
    }

    /// Loads level by level. Of several failures in a level the first by name is reported.
    pub fn load(&self, context: &AppContext, observe: &dyn Fn(Step)) -> Result<()> {
        for (level, components) in self.levels.iter().enumerate() {
            let began = Instant::now();
            let results: Vec<(Result<()>, Duration)> = match &components[..] {
                [only] => vec![timed(|| only.load(context))],
                many => std::thread::scope(|scope| {
                    let threads: Vec<_> = many
                        .iter()
                        .map(|component| scope.spawn(|| timed(|| component.load(context))))
                        .collect();
                    threads.into_iter().map(join).collect()
                }),
            };
            for (component, (result, took)) in components.iter().zip(results) {
                let name = component.name();
                result.map_err(|error| failed("load", name, error))?;
                observe(Step::Loaded { name, level, took });
            }
            let components = components.len();
            observe(Step::Level { level, components, took: began.elapsed() });
        }
        Ok(())
    }

    /// Starts in load order. If one fails, those started before it are stopped again; what goes wrong
    /// in that is in the details of the error, as `stop_errors`.
    pub fn start(&self, context: &AppContext, observe: &dyn Fn(Step)) -> Result<()> {
        for component in self.levels.iter().flatten() {
            let name = component.name();
            let (result, took) = timed(|| component.start(context));
            if let Err(error) = result {
                let problems = self.stop(context, observe);
                return Err(with_stop_errors(failed("start", name, error), &problems));
            }
            *self.started.lock() += 1;
            observe(Step::Started { name, took });
        }
        Ok(())
    }

    /// Stops what has been started, in reverse order. Failures stop nothing and are returned.
    pub fn stop(&self, context: &AppContext, observe: &dyn Fn(Step)) -> Vec<Error> {
        let started = std::mem::take(&mut *self.started.lock());
        let mut order: Vec<_> = self.levels.iter().flatten().take(started).collect();
        order.reverse();
        let mut problems = Vec::new();
        for component in order {
            let (result, took) = timed(|| component.stop(context));
            if let Err(error) = result {
                problems.push(failed("stop", component.name(), error));
            }
            observe(Step::Stopped { name: component.name(), took });
        }
        problems
    }
}

fn is_placed(levels: &[Vec<Box<dyn Component>>], name: &str) -> bool {
    levels.iter().flatten().any(|component| component.name() == name)
}

fn timed<R>(f: impl FnOnce() -> R) -> (R, Duration) {
    let began = Instant::now();
    let result = f();
    (result, began.elapsed())
}

fn join<R>(thread: std::thread::ScopedJoinHandle<'_, R>) -> R {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn failed(what: &str, name: &str, error: Error) -> Error {
    Error::internal(format!("failed to {what} component: {name}")).with_source(error)
}

fn with_stop_errors(error: Error, problems: &[Error]) -> Error {
    if problems.is_empty() {
        return error;
    }
    let texts = problems.iter().map(|problem| Value::from(problem.to_string())).collect();
    error.with_details([("stop_errors", Value::List(texts))].into())
}

fn unresolved(waiting: &BTreeMap<&'static str, Box<dyn Component>>) -> Error {
    let unknown: Vec<String> = waiting
        .values()
        .flat_map(|c| c.needs().iter().map(move |need| (c.name(), *need)))
        .filter(|(_, need)| !waiting.contains_key(need))
        .map(|(name, need)| format!("{name} needs {need}"))
        .collect();
    let stuck = waiting.keys().copied().collect::<Vec<_>>().join(", ");
    let message = match unknown.is_empty() {
        true => format!("cycle detected among: {stuck}"),
        false => format!("cycle detected or component missing: {stuck} ({})", unknown.join(", ")),
    };
    Error::internal("dependency resolution failed").with_source(Error::invalid(message))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Barrier};

    use parking_lot::Mutex;

    use super::*;

    type Log = Arc<Mutex<Vec<String>>>;

    struct Part {
        name: &'static str,
        needs: &'static [&'static str],
        fails: &'static str,
        log: Log,
    }

    impl Part {
        fn step(&self, what: &str) -> Result<()> {
            self.log.lock().push(format!("{what} {}", self.name));
            match self.fails.split(' ').any(|fails| fails == what) {
                true => Err(Error::invalid("broken")),
                false => Ok(()),
            }
        }
    }

    impl Component for Part {
        fn name(&self) -> &'static str {
            self.name
        }

        fn needs(&self) -> &'static [&'static str] {
            self.needs
        }

        fn load(&self, _: &AppContext) -> Result<()> {
            self.step("load")
        }

        fn start(&self, _: &AppContext) -> Result<()> {
            self.step("start")
        }

        fn stop(&self, _: &AppContext) -> Result<()> {
            self.step("stop")
        }
    }

    type Spec = (&'static str, &'static [&'static str], &'static str);

    fn loader(parts: &[Spec]) -> (Result<Loader>, Log) {
        let log = Log::default();
        let parts = parts.iter().map(|&(name, needs, fails)| {
            Box::new(Part { name, needs, fails, log: log.clone() }) as Box<dyn Component>
        });
        (Loader::new(parts.collect()), log)
    }

    #[test]
    fn levels_follow_from_needs() {
        let parts: &[Spec] = &[
            ("functions", &["factory"], ""),
            ("supervisor", &["registry"], ""),
            ("registry", &["dispatcher"], ""),
            ("finder", &["registry"], ""),
            ("factory", &["supervisor"], ""),
            ("pidgen", &[], ""),
            ("dispatcher", &["pidgen"], ""),
        ];
        let levels = loader(parts).0.map(|l| l.levels());
        let expected: Vec<Vec<&str>> = vec![
            vec!["pidgen"],
            vec!["dispatcher"],
            vec!["registry"],
            vec!["finder", "supervisor"],
            vec!["factory"],
            vec!["functions"],
        ];
        assert_eq!(levels, Ok(expected));
    }

    #[track_caller]
    fn refused(parts: &[Spec], kinds: &[Kind], text: &str) {
        let (loader, log) = loader(parts);
        let error = loader.map(|_| ()).expect_err("refused");
        assert_eq!(error.to_string(), text);
        let chain = std::iter::successors(Some(&error), |error| error.cause());
        assert_eq!(chain.map(|error| error.kind().clone()).collect::<Vec<_>>(), kinds);
        assert!(log.lock().is_empty(), "nothing is loaded");
    }

    #[test]
    fn impossible_graphs_are_refused() {
        refused(
            &[("a", &[], ""), ("a", &[], "")],
            &[Kind::AlreadyExists],
            "component already registered: a",
        );
        let unresolved = &[Kind::Internal, Kind::Invalid];
        refused(
            &[("a", &["a"], "")],
            unresolved,
            "dependency resolution failed: cycle detected among: a",
        );
        refused(
            &[("a", &["b"], ""), ("b", &["a"], ""), ("c", &[], "")],
            unresolved,
            "dependency resolution failed: cycle detected among: a, b",
        );
        refused(
            &[("a", &["x"], "")],
            unresolved,
            "dependency resolution failed: cycle detected or component missing: a (a needs x)",
        );
    }

    #[test]
    fn a_failing_load_stops_the_boot() {
        let (loader, log) = loader(&[("a", &[], ""), ("b", &["a"], "load"), ("c", &["b"], "")]);
        let error = loader.and_then(|l| l.load(&AppContext::new(), &|_| ())).expect_err("fails");
        assert_eq!(error.to_string(), "failed to load component: b: broken");
        assert_eq!(*log.lock(), ["load a", "load b"]);
    }

    #[test]
    fn a_failing_start_stops_what_was_started_in_reverse() {
        let (loader, log) =
            loader(&[("a", &[], ""), ("b", &["a"], ""), ("c", &["b"], "start"), ("d", &["c"], "")]);
        let error = loader.and_then(|l| l.start(&AppContext::new(), &|_| ())).expect_err("fails");
        assert_eq!(error.to_string(), "failed to start component: c: broken");
        assert_eq!(*log.lock(), ["start a", "start b", "start c", "stop b", "stop a"]);
    }

    #[test]
    fn of_several_failures_the_first_by_name_is_reported() {
        for _ in 0..50 {
            let (loader, log) = loader(&[
                ("c", &[], "load"),
                ("b", &[], "load"),
                ("a", &[], ""),
                ("d", &["a"], ""),
            ]);
            let error =
                loader.and_then(|l| l.load(&AppContext::new(), &|_| ())).expect_err("fails");
            assert_eq!(error.to_string(), "failed to load component: b: broken");
            assert_eq!(log.lock().len(), 3, "the level is finished, the next one is not begun");
        }
    }

    /// Loads only when another one loads at the same time.
    struct Meeting(&'static str, Arc<Barrier>);

    impl Component for Meeting {
        fn name(&self) -> &'static str {
            self.0
        }

        fn load(&self, _: &AppContext) -> Result<()> {
            self.1.wait();
            Ok(())
        }
    }

    #[test]
    fn a_level_loads_in_parallel() {
        let barrier = Arc::new(Barrier::new(2));
        let meeting = |name| Box::new(Meeting(name, barrier.clone())) as Box<dyn Component>;
        let loader = Loader::new(vec![meeting("a"), meeting("b")]).expect("resolves");
        assert_eq!(loader.load(&AppContext::new(), &|_| ()), Ok(()));
    }

    #[test]
    fn every_step_is_told_in_load_order() {
        let (loader, _) = loader(&[("c", &["b"], ""), ("b", &[], ""), ("a", &[], "")]);
        let loader = loader.expect("resolves");
        let told = Mutex::new(Vec::new());
        let observe = |step| {
            told.lock().push(match step {
                Step::Loaded { name, level, .. } => format!("loaded {name} {level}"),
                Step::Level { level, components, .. } => format!("level {level}: {components}"),
                Step::Started { name, .. } => format!("started {name}"),
                Step::Stopped { name, .. } => format!("stopped {name}"),
            });
        };
        let context = AppContext::new();
        assert_eq!(loader.load(&context, &observe), Ok(()));
        assert_eq!(
            std::mem::take(&mut *told.lock()),
            ["loaded a 0", "loaded b 0", "level 0: 2", "loaded c 1", "level 1: 1"]
        );
        assert_eq!(loader.start(&context, &observe), Ok(()));
        assert!(loader.stop(&context, &observe).is_empty());
        assert_eq!(
            *told.lock(),
            ["started a", "started b", "started c", "stopped c", "stopped b", "stopped a"]
        );
    }

    #[test]
    fn what_fails_while_undoing_a_start_is_not_lost() {
        let (loader, log) = loader(&[("a", &[], "stop"), ("b", &["a"], "start")]);
        let error = loader.and_then(|l| l.start(&AppContext::new(), &|_| ())).expect_err("fails");
        assert_eq!(error.to_string(), "failed to start component: b: broken");
        let texts = Value::List(vec!["failed to stop component: a: broken".into()]);
        assert_eq!(error.details(), Some(&[("stop_errors", texts)].into()));
        assert_eq!(*log.lock(), ["start a", "start b", "stop a"]);
    }

    #[test]
    fn a_failing_stop_stops_nothing() {
        let (loader, log) = loader(&[("a", &[], ""), ("b", &["a"], "stop")]);
        let loader = loader.expect("resolves");
        let context = AppContext::new();
        assert_eq!(loader.start(&context, &|_| ()), Ok(()));
        let problems = loader.stop(&context, &|_| ());
        assert_eq!(problems.len(), 1);
        assert_eq!(log.lock()[2..], ["stop b", "stop a"]);
        assert!(loader.stop(&context, &|_| ()).is_empty(), "a second stop has nothing to do");
    }
}
