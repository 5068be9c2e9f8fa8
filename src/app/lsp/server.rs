//! One client: from `initialize` to `exit`, its documents, its questions.

use std::path::PathBuf;

use crate::app::lsp::Loader;
use crate::app::lsp::answers;
use crate::app::lsp::documents::Documents;
use crate::app::lsp::framing::MESSAGE_BYTES_MAX;
use crate::app::lsp::text::{Encoding, Position};
use crate::app::lsp::uri::{self, Target};
use crate::infra::transcoder::{Value, json};

/// Memory for the tree of one message: mostly short numbers in lists take this much more than their text.
const TREE_BYTES_MAX: usize = 16 * MESSAGE_BYTES_MAX as usize;

/// Files whose changes are news for the project.
const WATCHED: &str = "**/*.{lua,luau,yaml,yml,json,lock}";

/// Why a request is refused: a code of the protocol, and words.
#[derive(Debug)]
struct Refusal(i64, String);

const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;
const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;
const NOT_INITIALIZED: i64 = -32002;

type Answer = Result<Value, Refusal>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before `initialize`.
    New,
    Running,
    /// After `shutdown`.
    ShutDown,
    Exited {
        shut_down: bool,
    },
}

/// A server with its client.
pub struct Server<'l, 'f> {
    load: &'l mut Loader<'f>,
    root: Option<PathBuf>,
    state: State,
    documents: Documents,
    /// The client shows Markdown beside the pointer.
    markdown: bool,
    /// The client tells about changed files if asked to.
    watches: bool,
    /// The project has changed on disk.
    stale: bool,
    messages: Vec<Value>,
}

impl<'l, 'f> Server<'l, 'f> {
    /// A server that nobody has spoken to.
    pub fn new(load: &'l mut Loader<'f>, with_rules: bool) -> Server<'l, 'f> {
        Server {
            load,
            root: None,
            state: State::New,
            documents: Documents::new(with_rules),
            markdown: false,
            watches: false,
            stale: false,
            messages: Vec::new(),
        }
    }

    /// Has the client said `exit`?
    pub fn has_exited(&self) -> bool {
        matches!(self.state, State::Exited { .. })
    }

    /// Did the client say `shutdown` before it went away?
    pub fn was_shut_down(&self) -> bool {
        matches!(self.state, State::ShutDown | State::Exited { shut_down: true })
    }

    /// What is to be sent.
    pub fn take_messages(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.messages)
    }

    /// Answers to bytes that are no message.
    pub fn refuse(&mut self, reason: &str) {
        self.reply(Value::Nil, Err(Refusal(PARSE_ERROR, reason.to_owned())));
    }

    /// What was put off while there was something to read: diagnostics, a changed project.
    pub fn rest(&mut self) {
        if self.state != State::Running {
            return;
        }
        if std::mem::take(&mut self.stale) {
            let project = (self.load)(self.root.as_deref());
            self.documents.enter(project);
        }
        for params in self.documents.take_diagnostics() {
            self.notify("textDocument/publishDiagnostics", params);
        }
    }

    /// One message.
    pub fn receive(&mut self, body: &[u8]) {
        let message = match json::decode(body, TREE_BYTES_MAX) {
            Ok(message) => message,
            Err(error) => return self.refuse(error.message()),
        };
        let id = message.get("id").cloned();
        let method = message.get("method").and_then(Value::as_str);
        let params = message.get("params").unwrap_or(&Value::Nil);
        let is_id = |id: &Value| matches!(id, Value::Int(_) | Value::Float(_) | Value::Str(_));
        match (id, method) {
            (Some(id), Some(method)) if is_id(&id) => {
                let answer = self.request(method, params);
                self.reply(id, answer);
            }
            (None, Some(method)) => self.notification(method, params),
            // An answer to one of our own requests.
            (Some(id), None)
                if is_id(&id)
                    && (message.get("result").is_some() || message.get("error").is_some()) => {}
            (id, _) => {
                let id = id.filter(is_id).unwrap_or(Value::Nil);
                let reason = "neither a request nor a notification".to_owned();
                self.reply(id, Err(Refusal(INVALID_REQUEST, reason)));
            }
        }
    }

    fn reply(&mut self, id: Value, answer: Answer) {
        let last = match answer {
            Ok(result) => ("result", result),
            Err(Refusal(code, message)) => {
                ("error", Value::from([("code", code.into()), ("message", message.into())]))
            }
        };
        self.messages.push(Value::from([("jsonrpc", "2.0".into()), ("id", id), last]));
    }

    fn notify(&mut self, method: &str, params: Value) {
        let message = [("jsonrpc", "2.0".into()), ("method", method.into()), ("params", params)];
        self.messages.push(Value::from(message));
    }

    fn request(&mut self, method: &str, params: &Value) -> Answer {
        match (self.state, method) {
            (State::New, "initialize") => Ok(self.initialize(params)),
            (State::New, _) => Err(Refusal(NOT_INITIALIZED, format!("{method} before initialize"))),
            (State::Running, "initialize") => {
                Err(Refusal(INVALID_REQUEST, "initialize was there already".to_owned()))
            }
            (State::Running, "shutdown") => {
                self.state = State::ShutDown;
                Ok(Value::Nil)
            }
            (State::Running, _) => self.question(method, params),
            (State::ShutDown | State::Exited { .. }, _) => {
                Err(Refusal(INVALID_REQUEST, format!("{method} after shutdown")))
            }
        }
    }

    fn initialize(&mut self, params: &Value) -> Value {
        self.state = State::Running;
        let get = |path: &[&str]| path.iter().try_fold(params, |value, key| value.get(key));
        let strings = |path: &[&str]| -> Vec<&str> {
            let list = get(path).and_then(Value::as_list).unwrap_or_default();
            list.iter().filter_map(Value::as_str).collect()
        };
        let offered = strings(&["capabilities", "general", "positionEncodings"]);
        let encoding = if offered.contains(&"utf-8") { Encoding::Utf8 } else { Encoding::Utf16 };
        let formats = strings(&["capabilities", "textDocument", "hover", "contentFormat"]);
        self.markdown = formats.contains(&"markdown");
        let watching =
            ["capabilities", "workspace", "didChangeWatchedFiles", "dynamicRegistration"];
        self.watches = get(&watching).and_then(Value::as_bool).unwrap_or(false);
        let folders = get(&["workspaceFolders"]).and_then(Value::as_list).unwrap_or_default();
        let first = folders.first().and_then(|folder| folder.get("uri"));
        let root = first.or(get(&["rootUri"])).and_then(Value::as_str).map(uri::target);
        self.root = match root {
            Some(Target::File(path)) => Some(path),
            _ => get(&["rootPath"]).and_then(Value::as_str).map(Into::into),
        };
        let project = (self.load)(self.root.as_deref());
        self.documents.encoding = encoding;
        self.documents.enter(project);
        capabilities(encoding)
    }

    fn notification(&mut self, method: &str, params: &Value) {
        match (self.state, method) {
            (state, "exit") => {
                self.state = State::Exited { shut_down: state == State::ShutDown };
            }
            (State::Running, "initialized") if self.watches => {
                let watchers = Value::List(vec![Value::from([("globPattern", WATCHED.into())])]);
                let registration = Value::from([
                    ("id", "files".into()),
                    ("method", "workspace/didChangeWatchedFiles".into()),
                    ("registerOptions", Value::from([("watchers", watchers)])),
                ]);
                let registrations = Value::List(vec![registration]);
                self.messages.push(Value::from([
                    ("jsonrpc", "2.0".into()),
                    ("id", "files".into()),
                    ("method", "client/registerCapability".into()),
                    ("params", Value::from([("registrations", registrations)])),
                ]));
            }
            (State::Running, "textDocument/didOpen") => {
                self.documents.open(params.get("textDocument").unwrap_or(&Value::Nil));
            }
            (State::Running, "textDocument/didChange") => {
                let Some(uri) = uri_of(params) else { return };
                let version = params.get("textDocument").and_then(|doc| doc.get("version"));
                let changes = params.get("contentChanges").and_then(Value::as_list);
                let version = version.and_then(Value::as_int);
                self.documents.change(uri, version, changes.unwrap_or_default());
            }
            (State::Running, "textDocument/didClose") => {
                let Some(uri) = uri_of(params) else { return };
                self.documents.close(uri);
                // From now on what is on disk counts.
                self.stale = true;
            }
            (State::Running, "textDocument/didSave" | "workspace/didChangeWatchedFiles") => {
                self.stale = true;
            }
            // Notifications that mean nothing to us may be ignored.
            _ => {}
        }
    }

    fn question(&mut self, method: &str, params: &Value) -> Answer {
        let known = [
            "textDocument/hover",
            "textDocument/definition",
            "textDocument/references",
            "textDocument/completion",
            "textDocument/signatureHelp",
            "textDocument/documentSymbol",
            "textDocument/diagnostic",
        ];
        if !known.contains(&method) {
            return Err(Refusal(METHOD_NOT_FOUND, format!("no method {method}")));
        }
        let invalid = |what: &str| Refusal(INVALID_PARAMS, format!("{what} is missing or invalid"));
        let uri = uri_of(params).ok_or_else(|| invalid("textDocument.uri"))?;
        if !self.documents.is_open(uri) {
            return Err(Refusal(INVALID_PARAMS, format!("{uri} is not open")));
        }
        let documents = &mut self.documents;
        match method {
            "textDocument/documentSymbol" => return Ok(documents.symbols(uri)),
            "textDocument/diagnostic" => {
                let items = documents.diagnostics(uri);
                return Ok(Value::from([("kind", "full".into()), ("items", items)]));
            }
            _ => {}
        }
        let at = params.get("position").and_then(position).ok_or_else(|| invalid("position"))?;
        let nothing = Value::Nil;
        Ok(match method {
            "textDocument/hover" => documents.hover(uri, at, self.markdown).unwrap_or(nothing),
            "textDocument/definition" => documents.definition(uri, at).unwrap_or(nothing),
            "textDocument/signatureHelp" => {
                let help = documents.call_help(uri, at);
                help.as_ref().map_or(nothing, answers::call_help)
            }
            "textDocument/references" => {
                let declared = params.get("context").and_then(|c| c.get("includeDeclaration"));
                let declared = declared.and_then(Value::as_bool).unwrap_or(true);
                documents.references(uri, at, declared)
            }
            _ => documents.complete(uri, at),
        })
    }
}

/// The name of the document that a message is about.
fn uri_of(params: &Value) -> Option<&str> {
    params.get("textDocument")?.get("uri")?.as_str()
}

/// A place as the protocol writes it.
pub fn position(value: &Value) -> Option<Position> {
    let number = |key: &str| usize::try_from(value.get(key)?.as_int()?).ok();
    Some(Position { line: number("line")?, character: number("character")? })
}

/// What the server can do.
fn capabilities(encoding: Encoding) -> Value {
    const INCREMENTAL: i64 = 2;
    let triggers = |list: &[&str]| {
        let list = list.iter().map(|trigger| Value::from(*trigger)).collect();
        Value::from([("triggerCharacters", Value::List(list))])
    };
    let sync = Value::from([
        ("openClose", true.into()),
        ("change", INCREMENTAL.into()),
        ("save", true.into()),
    ]);
    let capabilities = Value::from([
        ("positionEncoding", encoding.name().into()),
        ("textDocumentSync", sync),
        ("hoverProvider", true.into()),
        ("definitionProvider", true.into()),
        ("referencesProvider", true.into()),
        ("documentSymbolProvider", true.into()),
        ("completionProvider", triggers(&[".", ":"])),
        ("signatureHelpProvider", triggers(&["(", ","])),
    ]);
    let version = env!("CARGO_PKG_VERSION");
    let info = Value::from([("name", "wippy".into()), ("version", version.into())]);
    Value::from([("capabilities", capabilities), ("serverInfo", info)])
}
