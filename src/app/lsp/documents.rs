//! The documents that are open, and what is known of them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::app::lint;
use crate::app::lsp::answers;
use crate::app::lsp::project::Project;
use crate::app::lsp::server::position;
use crate::app::lsp::text::{Encoding, Position, Text};
use crate::app::lsp::uri::{self, Target};
use crate::infra::transcoder::Value;
use crate::lang::lookup::{Access, Analysis, CallHelp, Definition, Export};
use crate::lang::span::Span;
use crate::runtime::modules::declarations;

/// Findings of a document that are told.
const DIAGNOSTICS_MAX: usize = 500;

/// What the libraries return that an entry imports, by alias.
type Exports = HashMap<String, Arc<Vec<Export>>>;

/// A document as the editor has it.
struct Document {
    text: Text,
    version: Option<i64>,
    /// The entry whose source it is.
    entry: Option<String>,
    access: Access,
    /// Made when somebody asks, gone with the next change.
    analysis: Option<Analysis>,
    exports: Option<Arc<Vec<Export>>>,
}

impl Document {
    fn changed(&mut self) {
        self.analysis = None;
        self.exports = None;
    }

    fn analysis(&mut self) -> &mut Analysis {
        self.analysis.get_or_insert_with(|| {
            let source = self.text.source().to_owned();
            Analysis::new(source, declarations::library(), self.access.clone())
        })
    }
}

/// The documents of a client, and its project.
#[derive(Default)]
pub struct Documents {
    /// What the client counts.
    pub encoding: Encoding,
    with_rules: bool,
    project: Project,
    open: HashMap<String, Document>,
    /// Which documents' diagnostics are to be told.
    dirty: BTreeSet<String>,
    /// What entries return whose documents are not open.
    exports: Exports,
}

impl Documents {
    pub fn new(with_rules: bool) -> Documents {
        Documents { with_rules, ..Documents::default() }
    }

    /// Takes over a project that was read anew.
    pub fn enter(&mut self, project: Project) {
        self.project = project;
        self.exports.clear();
        for (uri, document) in &mut self.open {
            document.entry = entry_of(&self.project, uri);
            let access = access_of(&self.project, document.entry.as_deref());
            if access != document.access {
                document.access = access;
                document.changed();
                self.dirty.insert(uri.clone());
            }
        }
    }

    /// Is it known?
    pub fn is_open(&self, uri: &str) -> bool {
        self.open.contains_key(uri)
    }

    /// `didOpen`: a `TextDocumentItem`. What is no Lua is not looked at.
    pub fn open(&mut self, item: &Value) {
        let text = |key: &str| item.get(key).and_then(Value::as_str);
        let (Some(uri), Some(source)) = (text("uri"), text("text")) else { return };
        let entry = entry_of(&self.project, uri);
        let is_lua = match (uri::target(uri), text("languageId")) {
            (_, Some("lua" | "luau")) => true,
            (Target::File(path), _) => path.extension().is_some_and(|e| e == "lua" || e == "luau"),
            (_, language) => entry.is_some() || language.is_none(),
        };
        if !is_lua {
            return;
        }
        let document = Document {
            text: Text::new(source.to_owned()),
            version: item.get("version").and_then(Value::as_int),
            access: access_of(&self.project, entry.as_deref()),
            entry,
            analysis: None,
            exports: None,
        };
        self.open.insert(uri.to_owned(), document);
        self.dirty.insert(uri.to_owned());
    }

    /// `didChange`: each change upon the text that the one before has left.
    pub fn change(&mut self, uri: &str, version: Option<i64>, changes: &[Value]) {
        let Some(document) = self.open.get_mut(uri) else { return };
        for change in changes {
            let Some(with) = change.get("text").and_then(Value::as_str) else { continue };
            match change.get("range") {
                None | Some(Value::Nil) => document.text = Text::new(with.to_owned()),
                Some(range) => {
                    let place = |key: &str| range.get(key).and_then(position);
                    if let (Some(start), Some(end)) = (place("start"), place("end")) {
                        document.text.replace(start..end, with, self.encoding);
                    }
                }
            }
        }
        document.version = version.or(document.version);
        document.changed();
        self.dirty.insert(uri.to_owned());
    }

    /// `didClose`.
    pub fn close(&mut self, uri: &str) {
        if self.open.remove(uri).is_some() {
            self.dirty.insert(uri.to_owned());
        }
    }

    /// The parameters of `publishDiagnostics` for all documents that have changed.
    pub fn take_diagnostics(&mut self) -> Vec<Value> {
        let dirty = std::mem::take(&mut self.dirty);
        let mut all = Vec::new();
        for uri in dirty {
            let version = self.open.get(&uri).and_then(|document| document.version);
            let mut params = vec![("uri".to_owned(), Value::from(uri.as_str()))];
            params.extend(version.map(|version| ("version".to_owned(), version.into())));
            params.push(("diagnostics".to_owned(), self.diagnostics(&uri)));
            all.push(Value::Map(params.into_iter().collect()));
        }
        all
    }

    /// What `wippy lint` finds in a document; nothing if it is closed.
    pub fn diagnostics(&mut self, uri: &str) -> Value {
        let (encoding, with_rules) = (self.encoding, self.with_rules);
        let Some(document) = self.open.get_mut(uri) else { return Value::List(Vec::new()) };
        document.analysis();
        let Document { text, access, analysis: Some(analysis), .. } = document else {
            return Value::List(Vec::new());
        };
        let library = declarations::library();
        let is_granted = |name: &str| match &access.modules {
            Some(listed) => {
                library.has(name, &listed.iter().map(String::as_str).collect::<Vec<_>>())
            }
            None => library.module_type(name).is_some(),
        };
        let rules: Option<&dyn Fn(&str) -> bool> =
            if with_rules { Some(&is_granted) } else { None };
        let found = lint::diagnose(
            analysis.parsed(),
            analysis.resolved(),
            analysis.source(),
            || analysis.found().to_vec(),
            rules,
        );
        let shown = found.iter().take(DIAGNOSTICS_MAX);
        let shown = shown.map(|(found, _)| answers::diagnostic(found, uri, text, encoding));
        Value::List(shown.collect())
    }

    pub fn hover(&mut self, uri: &str, at: Position, markdown: bool) -> Option<Value> {
        let exports = self.imports_of(uri);
        let (document, at) = self.place(uri, at)?;
        let hover = document.analysis().hover(at, &|alias| exports.get(alias).cloned())?;
        let text = &self.open.get(uri)?.text;
        Some(answers::hover(&hover, text, self.encoding, markdown))
    }

    pub fn complete(&mut self, uri: &str, at: Position) -> Value {
        let exports = self.imports_of(uri);
        let Some((document, at)) = self.place(uri, at) else { return Value::List(Vec::new()) };
        let all = document.analysis().complete(at, &|alias| exports.get(alias).cloned());
        Value::List(all.iter().map(answers::completion).collect())
    }

    pub fn call_help(&mut self, uri: &str, at: Position) -> Option<CallHelp> {
        let exports = self.imports_of(uri);
        let (document, at) = self.place(uri, at)?;
        document.analysis().call_help(at, &|alias| exports.get(alias).cloned())
    }

    pub fn definition(&mut self, uri: &str, at: Position) -> Option<Value> {
        let (document, at) = self.place(uri, at)?;
        match document.analysis().definition(at)? {
            Definition::Here(span) => {
                let text = &self.open.get(uri)?.text;
                Some(answers::location(uri, span, text, self.encoding))
            }
            Definition::Import { alias, member } => self.imported(uri, &alias, member.as_deref()),
        }
    }

    /// The place of a library's source, or of what it returns under a name.
    fn imported(&mut self, uri: &str, alias: &str, member: Option<&str>) -> Option<Value> {
        let id = self.imported_entry(uri, alias)?;
        let exports = self.exports_of(&id);
        let span = match member {
            Some(member) => exports?.iter().find(|export| export.name == member)?.span,
            None => Span::empty(0),
        };
        let opened = self.open.iter().find(|(_, open)| open.entry.as_deref() == Some(&id));
        if let Some((uri, open)) = opened {
            return Some(answers::location(uri, span, &open.text, self.encoding));
        }
        let entry = self.project.entry(&id)?;
        let uri = match &entry.path {
            Some(path) => uri::of_file(path),
            None => uri::of_entry(&id),
        };
        let text = Text::new(entry.source.clone());
        Some(answers::location(&uri, span, &text, self.encoding))
    }

    pub fn references(&mut self, uri: &str, at: Position, with_declaration: bool) -> Value {
        let encoding = self.encoding;
        let Some((document, at)) = self.place(uri, at) else { return Value::List(Vec::new()) };
        let declared = document.analysis().definition(at);
        let mut all = document.analysis().references(at);
        all.retain(|span| with_declaration || declared != Some(Definition::Here(*span)));
        let text = &document.text;
        let places = all.iter().map(|span| answers::location(uri, *span, text, encoding));
        Value::List(places.collect())
    }

    pub fn symbols(&mut self, uri: &str) -> Value {
        let encoding = self.encoding;
        let Some(document) = self.open.get_mut(uri) else { return Value::List(Vec::new()) };
        let all = document.analysis().symbols();
        let text = &document.text;
        Value::List(all.iter().map(|symbol| answers::symbol(symbol, text, encoding)).collect())
    }

    /// A document, and the byte at a place of it.
    fn place(&mut self, uri: &str, at: Position) -> Option<(&mut Document, u32)> {
        let encoding = self.encoding;
        let document = self.open.get_mut(uri)?;
        let at = document.text.offset(at, encoding);
        Some((document, u32::try_from(at).unwrap_or(u32::MAX)))
    }

    fn imported_entry(&self, uri: &str, alias: &str) -> Option<String> {
        let id = self.open.get(uri)?.entry.as_deref()?;
        self.project.entry(id)?.imports.get(alias).cloned()
    }

    /// What the libraries return that the entry of a document imports.
    fn imports_of(&mut self, uri: &str) -> Exports {
        let entry = self.open.get(uri).and_then(|document| document.entry.clone());
        let entry = entry.and_then(|id| self.project.entry(&id));
        let imports: Vec<(String, String)> = entry
            .into_iter()
            .flat_map(|entry| entry.imports.iter())
            .map(|(alias, id)| (alias.clone(), id.clone()))
            .collect();
        let found = |(alias, id): (String, String)| Some((alias, self.exports_of(&id)?));
        imports.into_iter().filter_map(found).collect()
    }

    /// What an entry returns: as it is open, or as it is on disk.
    fn exports_of(&mut self, id: &str) -> Option<Arc<Vec<Export>>> {
        let opened = self.open.values_mut().find(|open| open.entry.as_deref() == Some(id));
        if let Some(open) = opened {
            if open.exports.is_none() {
                open.exports = Some(Arc::new(open.analysis().exports()));
            }
            return open.exports.clone();
        }
        if let Some(known) = self.exports.get(id) {
            return Some(known.clone());
        }
        let entry = self.project.entry(id)?;
        let (source, access) = (entry.source.clone(), entry.access.clone());
        let analysis = Analysis::new(source, declarations::library(), access);
        let exports = Arc::new(analysis.exports());
        self.exports.insert(id.to_owned(), exports.clone());
        Some(exports)
    }
}

/// The entry whose source a document is.
fn entry_of(project: &Project, uri: &str) -> Option<String> {
    match uri::target(uri) {
        Target::File(path) => project.entry_of_file(&path).map(str::to_owned),
        Target::Entry(id) => project.entry(&id).map(|_| id),
        Target::Other => None,
    }
}

fn access_of(project: &Project, entry: Option<&str>) -> Access {
    let entry = entry.and_then(|id| project.entry(id));
    entry.map(|entry| entry.access.clone()).unwrap_or_default()
}
