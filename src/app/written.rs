//! Entries as Rust programs write them: single ones, documents, and the sources that both name.
//!
//! What a program writes is kept as it is and read later, all of it at once: sources may come after
//! the entries that name them, and mistakes are told by whoever takes the whole.

use std::collections::HashMap;
use std::path::PathBuf;

use serde::Serialize;

use crate::app::project::FileProblem;
use crate::app::project::definition::{self, Given};
use crate::core::registry::{Entry, EntryId};
use crate::infra::error::{Error, Kind, Result};
use crate::infra::transcoder::Value;
use crate::infra::transcoder::typed::to_value;

/// One entry.
#[derive(Clone, Debug)]
pub(super) struct Written {
    id: String,
    kind: String,
    fields: Result<Value>,
}

impl Written {
    pub(super) fn new(id: String, kind: String, fields: &impl Serialize) -> Written {
        Written { id, kind, fields: to_value(fields) }
    }

    /// # Errors
    /// `INVALID`, naming the entry.
    pub(super) fn read(&self, given: &Given) -> Result<Entry> {
        let invalid = |reason: String| Error::invalid(reason).context(format!("entry {}", self.id));
        let id = EntryId::parse(&self.id);
        if !id.is_complete() || self.kind.is_empty() {
            return Err(invalid("expected an id like namespace:name, and a kind".to_owned()));
        }
        let fields = match self.fields.clone() {
            Ok(Value::Map(fields)) => fields,
            Ok(Value::Nil) => Default::default(),
            Ok(other) => return Err(invalid(format!("the fields are {}", other.type_name()))),
            Err(error) => return Err(error.context(format!("entry {}", self.id))),
        };
        definition::entry(&id, &self.kind, fields, given).map_err(invalid)
    }
}

/// The entries of the document with this number, counted from 1 on.
///
/// # Errors
/// With its number, line, column and the reason.
pub(super) fn document(number: usize, text: &str, given: &Given) -> Result<Vec<Entry>> {
    let name = PathBuf::from(format!("document {number}"));
    definition::read_text(&name, text, given).map_err(|problem| refused(*problem))
}

/// Texts under the names by which entries mean them: `file://NAME`.
#[derive(Clone, Debug, Default)]
pub(super) struct Sources(Vec<(String, String)>);

impl Sources {
    pub(super) fn add(&mut self, name: String, text: String) {
        self.0.push((name, text));
    }

    /// # Errors
    /// `INVALID`: a name that no path can be. `ALREADY_EXISTS`: one for two texts.
    pub(super) fn read(&self) -> Result<Given> {
        let mut given: Given = HashMap::with_capacity(self.0.len());
        for (name, text) in &self.0 {
            let path = definition::given_path(name)
                .ok_or_else(|| Error::invalid(format!("source {name:?} has no usable name")))?;
            if given.insert(path, text.clone()).is_some() {
                let text = format!("source {name:?} is given twice");
                return Err(Error::new(Kind::AlreadyExists, text));
            }
        }
        Ok(given)
    }
}

/// A file that cannot be used, as an error with place and reason.
pub(super) fn refused(problem: FileProblem) -> Error {
    let message = format!("{}: {}", problem.place(), problem.reason);
    problem.into_error(message)
}
