//! The settings `registry.*`, read.
//!
//! | Key | Unset |
//! |---|---|
//! | `registry.enable_history` | true |
//! | `registry.history_type` | `memory`; others: `sqlite`, `nil` |
//! | `registry.history_path` | `.wippy/registry.db`; starts at the directory of the project if relative |
//! | `registry.event_wait_timeout` | 30s |
//! | `registry.dispatch_internal_kinds` | those of [`Settings::default`] |
//!
//! A type nobody knows is a slip: it is reported, and versions are kept in memory. `postgres` is a
//! type that is known and not there: who asks for it wants versions to last, so the start ends.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::core::registry::{History, MemoryHistory, Settings, SqliteHistory};
use crate::infra::config::Config;
use crate::infra::duration;
use crate::infra::error::{Error, Result};
use crate::infra::logger::Logger;
use crate::infra::transcoder::Value;

/// Where versions are kept on disk unless configured.
pub const HISTORY_PATH: &str = ".wippy/registry.db";

/// Opens the history; a relative path starts at `dir`. `INVALID` for `postgres`, else errors are those of the history's file.
pub fn read(config: &Config, dir: &Path, logger: &Logger) -> Result<Settings> {
    let mut settings = Settings { history: history(config, dir, logger)?, ..Settings::default() };
    if let Some(timeout) = duration_of(config, "registry.event_wait_timeout") {
        settings.event_wait_timeout = timeout;
    }
    if let Some(kinds) = config.get_list("registry.dispatch_internal_kinds") {
        settings.internal_kinds =
            kinds.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    }
    Ok(settings)
}

fn history(config: &Config, dir: &Path, logger: &Logger) -> Result<Option<Arc<dyn History>>> {
    if config.get_bool("registry.enable_history") == Some(false) {
        return Ok(None);
    }
    match config.get_str("registry.history_type").unwrap_or("memory") {
        "memory" => (),
        "nil" => return Ok(None),
        "sqlite" => {
            // To SQLite an empty path is a file that goes with the program.
            let path = config.get_str("registry.history_path").filter(|path| !path.is_empty());
            let path = path.unwrap_or(HISTORY_PATH);
            return Ok(Some(Arc::new(SqliteHistory::open(dir.join(path))?)));
        }
        "postgres" => {
            let text = "registry.history_type postgres is not supported, use sqlite";
            return Err(Error::invalid(text));
        }
        unknown => {
            let fields = [("history_type", unknown.into())];
            logger.warn("unknown registry history type, versions are kept in memory", fields);
        }
    }
    Ok(Some(Arc::new(MemoryHistory::new())))
}

/// A duration above zero.
fn duration_of(config: &Config, key: &str) -> Option<Duration> {
    let nanos = u64::try_from(duration::parse(config.get_str(key)?).ok()?).ok()?;
    Some(Duration::from_nanos(nanos)).filter(|duration| !duration.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::registry::VersionId;

    fn config(pairs: &[(&str, Value)]) -> Config {
        let mut config = Config::builder();
        pairs.iter().for_each(|(key, value)| config.set(format!("registry.{key}"), value.clone()));
        config.build()
    }

    #[track_caller]
    fn check_history(pairs: &[(&str, Value)], kept: bool) {
        let settings = read(&config(pairs), Path::new(""), &Logger::silent()).unwrap();
        let head = settings.history.map(|history| history.head());
        assert_eq!(head, kept.then_some(Ok(VersionId::ROOT)));
    }

    #[test]
    fn history_types() {
        check_history(&[], true);
        check_history(&[("history_type", "memory".into())], true);
        check_history(&[("history_type", "papyrus".into())], true);
        check_history(&[("history_type", 7.into())], true);
        check_history(&[("history_type", "nil".into())], false);
        check_history(&[("enable_history", false.into())], false);
        let no = [("enable_history", false.into()), ("history_type", "postgres".into())];
        check_history(&no, false);
        let read = read(&config(&no[1..]), Path::new(""), &Logger::silent());
        let error = read.map(|_| ()).unwrap_err();
        let text = "registry.history_type postgres is not supported, use sqlite";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn sqlite_has_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/history.db");
        let sqlite =
            [("history_type", "sqlite".into()), ("history_path", path.to_str().unwrap().into())];
        check_history(&sqlite, true);
        assert!(path.exists());
    }

    #[test]
    fn the_other_settings() {
        let read = |pairs: &[(&str, Value)]| {
            read(&config(pairs), Path::new(""), &Logger::silent()).unwrap()
        };
        let kinds = Value::List(vec!["a.b".into()]);
        let settings = read(&[("dispatch_internal_kinds", kinds)]);
        assert_eq!(settings.internal_kinds, ["a.b"]);
        let timeout = |text: &str| read(&[("event_wait_timeout", text.into())]).event_wait_timeout;
        assert_eq!(timeout("1500ms"), Duration::from_millis(1500));
        for wrong in ["soon", "0s", "-1s"] {
            assert_eq!(timeout(wrong), Duration::from_secs(30), "{wrong}");
        }
    }
}
