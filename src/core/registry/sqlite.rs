//! [`SqliteHistory`]: versions in a file that outlives the program.
//!
//! | Table | Columns |
//! |---|---|
//! | `metadata` | `key`, `value`: `schema_version`, `head` |
//! | `versions` | `id`, `parent_id` |
//! | `changesets` | `version_id`, `data`: see `stored.rs` |
//!
//! 1. A version is saved by one transaction: its row, its changes and the head, or none of them.
//! 2. `synchronous` is `FULL`: a save has been handed to the disk when it returns, so neither a
//!    killed program nor a power cut loses it, as far as the disk keeps its promises. What was being
//!    saved then is there as a whole or not at all.
//! 3. The log beside the file (`-wal`) is emptied into it now and then, and goes when the history
//!    is closed. After a crash the next open does that.
//! 4. A file of a newer schema is not touched.
//! 5. A save that fails leaves the file as it was, and the next one may succeed: a full disk is got
//!    over.
//!
//! One program writes to a file. Others may read it at the same time and lock it briefly; who waits
//! for a lock waits for up to five seconds. Should two write, no version is lost: each goes its own way
//! from the version it is at, and the one that saved last is where the next start goes on.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::{Connection, ErrorCode, OptionalExtension, TransactionBehavior};

use crate::core::registry::changeset::Change;
use crate::core::registry::history::{History, version_not_found};
use crate::core::registry::stored;
use crate::core::registry::version::{Version, VersionId};
use crate::infra::error::{Error, Kind, Result};

const SCHEMA_VERSION: i64 = 1;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS metadata (key TEXT PRIMARY KEY, value TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS versions (
        id INTEGER PRIMARY KEY,
        parent_id INTEGER REFERENCES versions(id)
    );
    CREATE INDEX IF NOT EXISTS versions_parent_id ON versions(parent_id);
    CREATE TABLE IF NOT EXISTS changesets (
        version_id INTEGER PRIMARY KEY REFERENCES versions(id) ON DELETE CASCADE,
        data BLOB NOT NULL
    );
    INSERT OR IGNORE INTO versions (id, parent_id) VALUES (0, NULL);
    INSERT OR IGNORE INTO changesets (version_id, data) VALUES (0, x'90'); -- an empty list
    INSERT OR IGNORE INTO metadata (key, value) VALUES ('schema_version', '1'), ('head', '0');
";

/// Versions in a SQLite file.
pub struct SqliteHistory {
    path: PathBuf,
    /// None once closed. Held while the file is read or written: a reader of an old version waits
    /// for a save, and the other way round. Leaf lock.
    connection: Mutex<Option<Connection>>,
}

/// Why a step came to nothing.
enum Failure {
    Sqlite(rusqlite::Error),
    Ours(Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Failure {
        Failure::Sqlite(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Ours(error)
    }
}

impl SqliteHistory {
    /// Opens the file, or makes it and the folder it is in.
    ///
    /// Errors name the file: `INVALID` for a newer schema, `UNAVAILABLE` if it is locked or cannot
    /// be read or written, else `INTERNAL`.
    pub fn open(path: impl Into<PathBuf>) -> Result<SqliteHistory> {
        let path = path.into();
        let connection = connect(&path).map_err(|failure| failed("open", &path, failure))?;
        Ok(SqliteHistory { path, connection: Mutex::new(Some(connection)) })
    }

    /// Does `f`, which is to `what` the file, with the connection.
    fn with<R>(
        &self,
        what: &str,
        f: impl FnOnce(&mut Connection) -> Result<R, Failure>,
    ) -> Result<R> {
        let mut connection = self.connection.lock();
        let outcome = match &mut *connection {
            Some(connection) => f(connection),
            None => Err(Error::unavailable("it has been closed").into()),
        };
        outcome.map_err(|failure| failed(what, &self.path, failure))
    }
}

fn connect(path: &Path) -> Result<Connection, Failure> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)
            .map_err(|error| Error::unavailable(format!("its folder cannot be made: {error}")))?;
    }
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Before anything is written.
    check_schema(&connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(TABLES)?;
    transaction.commit()?;
    check_schema(&connection)?;
    Ok(connection)
}

/// A file without our tables is fine, it is new.
fn check_schema(connection: &Connection) -> Result<(), Failure> {
    if !connection.table_exists(None, "metadata")? {
        return Ok(());
    }
    let Some(found) = metadata(connection, "schema_version")? else { return Ok(()) };
    match found.parse::<i64>() {
        Ok(version) if version <= SCHEMA_VERSION => Ok(()),
        _ => Err(Failure::Ours(Error::invalid(format!(
            "its schema version is {found}, this program knows versions up to {SCHEMA_VERSION}"
        )))),
    }
}

fn metadata(connection: &Connection, key: &str) -> Result<Option<String>, rusqlite::Error> {
    let mut query = connection.prepare_cached("SELECT value FROM metadata WHERE key = ?1")?;
    query.query_row([key], |row| row.get(0)).optional()
}

fn put_head(connection: &Connection, id: VersionId) -> Result<(), rusqlite::Error> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO metadata (key, value) VALUES ('head', ?1)")?
        .execute([id.0.to_string()])?;
    Ok(())
}

fn exists(connection: &Connection, id: VersionId) -> Result<bool, rusqlite::Error> {
    connection.prepare_cached("SELECT 1 FROM versions WHERE id = ?1")?.exists([row_id(id)])
}

/// An id that does not fit is one that no row has.
fn row_id(id: VersionId) -> i64 {
    i64::try_from(id.0).unwrap_or(-1)
}

fn version_id(row_id: i64) -> Result<VersionId> {
    let id = u64::try_from(row_id);
    id.map(VersionId).map_err(|_| Error::internal(format!("it has a version {row_id}")))
}

fn failed(what: &str, path: &Path, failure: Failure) -> Error {
    let message = format!("{what} history file {}", path.display());
    match failure {
        Failure::Ours(error) if *error.kind() == Kind::NotFound => error,
        Failure::Ours(error) => error.context(message),
        Failure::Sqlite(error) => {
            let passing = matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
            );
            let outside = passing
                || matches!(
                    error.sqlite_error_code(),
                    Some(
                        ErrorCode::CannotOpen
                            | ErrorCode::ReadOnly
                            | ErrorCode::PermissionDenied
                            | ErrorCode::SystemIoFailure
                    )
                );
            let kind = if outside { Kind::Unavailable } else { Kind::Internal };
            Error::new(kind, format!("{message}: {error}")).with_retryable(Some(passing))
        }
    }
}

impl History for SqliteHistory {
    fn versions(&self) -> Result<Vec<Version>> {
        self.with("read", |connection| {
            let mut query =
                connection.prepare_cached("SELECT id, parent_id FROM versions ORDER BY id")?;
            let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let versions = rows.map(|row| {
                let (id, parent): (i64, Option<i64>) = row?;
                let parent = parent.map(version_id).transpose()?;
                Ok(Version { id: version_id(id)?, parent })
            });
            versions.collect()
        })
    }

    fn head(&self) -> Result<VersionId> {
        self.with("read", |connection| {
            let text = metadata(connection, "head")?.unwrap_or_default();
            let id = text.parse();
            let id = id.map_err(|_| Error::internal(format!("its head is {text:?}, no number")))?;
            Ok(VersionId(id))
        })
    }

    fn changes(&self, id: VersionId) -> Result<Vec<Change>> {
        self.with("read", |connection| {
            let mut query =
                connection.prepare_cached("SELECT data FROM changesets WHERE version_id = ?1")?;
            let data: Option<Vec<u8>> =
                query.query_row([row_id(id)], |row| row.get(0)).optional()?;
            let data = data.ok_or_else(version_not_found)?;
            Ok(stored::decode(&data).map_err(|error| error.context(format!("version {id}")))?)
        })
    }

    fn save(&self, version: Version, changes: &[Change]) -> Result<()> {
        let data = stored::encode(changes)?;
        self.with("write", |connection| {
            // Takes the file for writing at once: who reads first and then wants to write may find
            // that somebody else has written, and would have to start over.
            let saving = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            if exists(&saving, version.id)? {
                let text = format!("another program has saved a version {}", version.id);
                return Err(Error::new(Kind::Conflict, text).into());
            }
            saving
                .prepare_cached("INSERT INTO versions (id, parent_id) VALUES (?1, ?2)")?
                .execute((row_id(version.id), version.parent.map(row_id)))?;
            saving
                .prepare_cached("INSERT INTO changesets (version_id, data) VALUES (?1, ?2)")?
                .execute((row_id(version.id), data))?;
            put_head(&saving, version.id)?;
            Ok(saving.commit()?)
        })
    }

    fn set_head(&self, id: VersionId) -> Result<()> {
        self.with("write", |connection| {
            let saving = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            if !exists(&saving, id)? {
                return Err(version_not_found().into());
            }
            put_head(&saving, id)?;
            Ok(saving.commit()?)
        })
    }

    fn close(&self) -> Result<()> {
        match self.connection.lock().take().map(Connection::close) {
            None | Some(Ok(())) => Ok(()),
            Some(Err((connection, error))) => {
                drop(connection);
                Err(failed("close", &self.path, error.into()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::core::registry::testing::entry;
    use crate::core::registry::{Changeset, Registry, Settings};
    use crate::infra::transcoder::Value;

    fn folder() -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("registry.db");
        (folder, path)
    }

    fn registry(history: std::sync::Arc<SqliteHistory>) -> Registry {
        let settings = Settings { history: Some(history), ..Settings::default() };
        let registry = Registry::new(settings);
        registry.load(vec![]).unwrap();
        registry
    }

    /// Creates an entry with `size` bytes in it.
    fn create(name: &str, size: usize) -> Changeset {
        let mut entry = entry(&format!("a:{name}"), "registry.entry");
        entry.data = Value::Str("x".repeat(size));
        let mut changes = Changeset::new();
        changes.create(entry);
        changes
    }

    fn pragma(history: &SqliteHistory, text: &str) {
        let connection = history.connection.lock();
        connection.as_ref().unwrap().execute_batch(text).or_else(ignore_rows).unwrap();
    }

    /// Some pragmas answer with their new value.
    fn ignore_rows(error: rusqlite::Error) -> Result<(), rusqlite::Error> {
        match error {
            rusqlite::Error::ExecuteReturnedResults => Ok(()),
            error => Err(error),
        }
    }

    #[test]
    fn a_new_file_has_the_root() {
        let (_folder, path) = folder();
        let history = SqliteHistory::open(&path).unwrap();
        assert_eq!(history.versions(), Ok(vec![Version::ROOT]));
        assert_eq!(history.head(), Ok(VersionId::ROOT));
        assert_eq!(history.changes(VersionId::ROOT), Ok(vec![]));
        assert_eq!(history.changes(VersionId(7)), Err(version_not_found()));
        assert_eq!(history.changes(VersionId(u64::MAX)), Err(version_not_found()));
        assert_eq!(history.set_head(VersionId(7)), Err(version_not_found()));
        let connection = Connection::open(&path).unwrap();
        let text = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, String>(0));
        assert_eq!(text("PRAGMA journal_mode").unwrap(), "wal");
        assert_eq!(text("SELECT value FROM metadata WHERE key = 'schema_version'").unwrap(), "1");
        assert_eq!(text("SELECT hex(data) FROM changesets WHERE version_id = 0").unwrap(), "90");
        let indexed = "SELECT group_concat(name) FROM pragma_index_info('versions_parent_id')";
        assert_eq!(text(indexed).unwrap(), "parent_id");
    }

    #[test]
    fn closing_leaves_one_file_and_may_be_repeated() {
        let (folder, path) = folder();
        let history = SqliteHistory::open(&path).unwrap();
        history.save(Version { id: VersionId(1), parent: Some(VersionId(0)) }, &[]).unwrap();
        assert_eq!((history.close(), history.close()), (Ok(()), Ok(())));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let error = history.head().unwrap_err();
        let text = format!("read history file {}: it has been closed", path.display());
        assert_eq!((error.kind(), error.to_string()), (&Kind::Unavailable, text));
        assert_eq!(SqliteHistory::open(&path).unwrap().head(), Ok(VersionId(1)));
    }

    #[track_caller]
    fn check_open(prepare: impl FnOnce(&Path), kind: Kind, reason: &str) {
        let (_folder, path) = folder();
        prepare(&path);
        let before = fs::read(&path).ok();
        let error = SqliteHistory::open(&path).map(|_| ()).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with(&format!("open history file {}: ", path.display())), "{text}");
        assert!(text.contains(reason), "{text}");
        assert_eq!(innermost(&error).kind(), &kind, "{text}");
        assert_eq!(fs::read(&path).ok(), before, "the file is as it was");
    }

    fn innermost(error: &Error) -> &Error {
        error.cause().map_or(error, innermost)
    }

    #[test]
    fn what_cannot_be_opened_is_named() {
        let newer = |path: &Path| {
            let connection = Connection::open(path).unwrap();
            connection.execute_batch(TABLES).unwrap();
            connection
                .execute("UPDATE metadata SET value = '2' WHERE key = 'schema_version'", [])
                .unwrap();
        };
        check_open(
            newer,
            Kind::Invalid,
            "its schema version is 2, this program knows versions up to 1",
        );
        let text = |path: &Path| fs::write(path, "dear diary, ".repeat(100)).unwrap();
        check_open(text, Kind::Internal, "file is not a database");
        check_open(
            |path| fs::create_dir(path).unwrap(),
            Kind::Unavailable,
            "unable to open database file",
        );
        let (_folder, path) = folder();
        fs::write(&path, "a file").unwrap();
        let below = SqliteHistory::open(path.join("registry.db")).map(|_| ()).unwrap_err();
        assert!(below.to_string().contains("its folder cannot be made: "), "{below}");
    }

    /// An apply that cannot be saved fails with this `reason` and changes nothing; once mended, the
    /// next one goes on.
    #[track_caller]
    fn check_save(broken: &str, mended: &str, reason: &str, retryable: bool) {
        let (_folder, path) = folder();
        let history = std::sync::Arc::new(SqliteHistory::open(&path).unwrap());
        let registry = registry(history.clone());
        registry.apply(create("first", 10)).unwrap();
        let before = registry.snapshot();
        pragma(&history, broken);
        for _ in 0..3 {
            let error = registry.apply(create("second", 100_000)).unwrap_err();
            let text = format!("save new version: write history file {}: {reason}", path.display());
            assert_eq!((error.kind(), error.to_string()), (&Kind::Internal, text));
            assert_eq!(error.retryable(), Some(retryable));
            assert!(std::sync::Arc::ptr_eq(&registry.snapshot(), &before));
            let error = registry.apply_version(VersionId(9)).unwrap_err();
            assert_eq!(*error.kind(), Kind::NotFound);
        }
        assert_eq!(history.head(), Ok(VersionId(1)));
        pragma(&history, mended);
        let version = registry.apply(create("second", 100_000)).unwrap();
        assert_eq!((version.id, version.parent), (VersionId(2), Some(VersionId(1))));
        drop((registry, history));
        let reopened = SqliteHistory::open(&path).unwrap();
        assert_eq!((reopened.head(), reopened.versions().unwrap().len()), (Ok(VersionId(2)), 3));
    }

    #[test]
    fn a_full_disk_refuses_and_is_got_over() {
        // SQLite answers the same when the file must not grow as when it cannot.
        let reason = "database or disk is full";
        check_save("PRAGMA max_page_count = 9", "PRAGMA max_page_count = 10000", reason, true);
    }

    #[test]
    fn a_file_that_becomes_read_only_refuses_and_is_got_over() {
        let reason = "attempt to write a readonly database";
        check_save("PRAGMA query_only = 1", "PRAGMA query_only = 0", reason, false);
    }

    #[test]
    fn a_second_writer_does_not_overwrite() {
        let (_folder, path) = folder();
        let ours = SqliteHistory::open(&path).unwrap();
        let theirs = SqliteHistory::open(&path).unwrap();
        let version = Version { id: VersionId(1), parent: Some(VersionId(0)) };
        ours.save(version, &[]).unwrap();
        let error = theirs.save(version, &[]).unwrap_err();
        assert!(error.to_string().ends_with("another program has saved a version v1"), "{error}");
        assert_eq!(theirs.head(), Ok(VersionId(1)));
    }

    #[test]
    fn a_registry_goes_on_behind_the_versions_of_another_program() {
        let (_folder, path) = folder();
        let ours = registry(std::sync::Arc::new(SqliteHistory::open(&path).unwrap()));
        let theirs = registry(std::sync::Arc::new(SqliteHistory::open(&path).unwrap()));
        for (name, registry, id, parent) in [
            ("one", &ours, 1, 0),
            // Not known of by the one that saves next.
            ("two", &theirs, 2, 0),
            ("three", &theirs, 3, 2),
            ("four", &ours, 4, 1),
            ("five", &ours, 5, 4),
            ("six", &theirs, 6, 3),
        ] {
            let version = registry.apply(create(name, 1)).unwrap();
            let expected = Version { id: VersionId(id), parent: Some(VersionId(parent)) };
            assert_eq!(version, expected, "{name}");
            assert_eq!(registry.current_version(), version);
        }
        let known = |registry: &Registry| registry.versions().unwrap().len();
        assert_eq!((known(&ours), known(&theirs)), (6, 7), "the last is not known of yet");
        // Whoever saved last is who is found at the next start.
        let next = registry(std::sync::Arc::new(SqliteHistory::open(&path).unwrap()));
        assert_eq!(next.current_version().id, VersionId(6));
        let names: Vec<String> =
            next.snapshot().entries().map(|entry| entry.id.name().to_owned()).collect();
        assert_eq!(names, ["six", "three", "two"]);
        // The others' versions can be gone to like one's own.
        ours.apply(create("seven", 1)).unwrap();
        ours.apply_version(VersionId(3)).unwrap();
        assert_eq!(ours.snapshot().entries().count(), 2);
    }

    #[test]
    fn damaged_changes_are_named() {
        let (_folder, path) = folder();
        let history = SqliteHistory::open(&path).unwrap();
        history.save(Version { id: VersionId(1), parent: Some(VersionId(0)) }, &[]).unwrap();
        pragma(&history, "UPDATE changesets SET data = x'91' WHERE version_id = 1");
        let text = history.changes(VersionId(1)).unwrap_err().to_string();
        assert!(text.ends_with("version v1: messagepack: the input ends within a value"), "{text}");
    }
}
