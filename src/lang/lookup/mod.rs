//! What is at a place of a source: for editors. Knows bytes, trees and types, and no protocol.
//!
//! [`Analysis`] is a source that was read, resolved and checked. The questions are in a file each:
//! [`hover`], [`definition`] (and references), [`complete`], [`signature`], [`outline`]. All of them
//! work on sources that do not parse, which is what sources are while somebody types.
//!
//! Fields of tables without a declared type are found by what the source puts into the table
//! ([`tables`]): `local M = {}`, `function M.f()`, `M.x = 1`. What a source returns, as seen by those who
//! import it, is an [`Export`] list; who asks about imports gives a function that finds it.
//!
//! A question looks at every node once, without recursion that depends on the source.

pub mod complete;
pub mod definition;
pub mod hover;
mod members;
pub mod outline;
pub mod signature;
mod subject;
pub mod tables;

use std::sync::Arc;

pub use complete::Completion;
pub use complete::CompletionKind;
pub use definition::Definition;
pub use hover::Hover;
pub use outline::Symbol;
pub use outline::SymbolKind;
pub use signature::CallHelp;
pub use tables::Export;

use subject::Subject;
use tables::Tables;

use super::ast::*;
use super::check::Grants;
use super::check::Library;
use super::check::Seen;
use super::check::inspect;
use super::diagnostic::Diagnostic;
use super::literal;
use super::parser::Parsed;
use super::parser::parse;
use super::resolve::Resolved;
use super::resolve::Use;
use super::resolve::resolve;
use super::span::Span;
use super::types::Ty;
use super::types::Types;

/// What an entry may use; [`Grants`] that own their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Its `modules:`. `None`: every module there is.
    pub modules: Option<Vec<String>>,
    /// The aliases of its `imports:`.
    pub imports: Vec<String>,
}

/// Finds what the entry behind an alias of `imports:` returns.
pub type Imports<'a> = &'a dyn Fn(&str) -> Option<Arc<Vec<Export>>>;

/// A source, kept for questions about its places. Places are byte offsets; those past the end are
/// taken as the end.
#[derive(Debug)]
pub struct Analysis {
    source: String,
    parsed: Parsed,
    resolved: Resolved,
    /// What the checker found; not to be shown while the source does not parse.
    found: Vec<Diagnostic>,
    types: Types,
    locals: Vec<Ty>,
    seen: Seen,
    tables: Tables,
    access: Access,
    library: &'static Library,
}

impl Analysis {
    /// Reads, resolves and checks a source.
    pub fn new(source: String, library: &'static Library, access: Access) -> Analysis {
        let parsed = parse(&source);
        let resolved = resolve(&parsed.ast);
        let modules: Option<Vec<&str>> =
            access.modules.as_ref().map(|list| list.iter().map(String::as_str).collect());
        let imports: Vec<&str> = access.imports.iter().map(String::as_str).collect();
        let grants = Grants { modules: modules.as_deref(), imports: &imports };
        let (checked, seen) = inspect(&parsed.ast, &resolved, &source, library, grants);
        let tables = Tables::new(&parsed.ast, &resolved);
        Analysis {
            found: checked.diagnostics,
            types: checked.types,
            locals: checked.locals,
            source,
            parsed,
            resolved,
            seen,
            tables,
            access,
            library,
        }
    }

    /// The source itself.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The tree, and what does not parse.
    pub fn parsed(&self) -> &Parsed {
        &self.parsed
    }

    /// What the names of the tree stand for.
    pub fn resolved(&self) -> &Resolved {
        &self.resolved
    }

    /// What the checker found; of a source that does not parse, more than a user wants to see.
    pub fn found(&self) -> &[Diagnostic] {
        &self.found
    }

    fn ast(&self) -> &Ast {
        &self.parsed.ast
    }

    /// Has the source's entry the module?
    fn is_granted(&self, module: &str) -> bool {
        let listed = |modules: &Vec<String>| modules.iter().any(|listed| listed == module);
        let listed = self.access.modules.as_ref().is_none_or(listed);
        self.library.has(module, if listed { std::slice::from_ref(&module) } else { &[] })
    }

    fn is_import(&self, name: &str) -> bool {
        self.access.imports.iter().any(|import| import == name)
    }

    /// The type of an expression where it stands.
    fn type_of(&self, expr: ExprId) -> Option<Ty> {
        let known = self.seen.exprs.get(expr.index()).copied().flatten();
        let binding = || self.resolved.use_of(expr).binding();
        known.or_else(|| self.locals.get(binding()?.index()).copied())
    }

    /// The name in `require("name")`, if that is what the expression is.
    fn required(&self, expr: ExprId) -> Option<String> {
        let ast = self.ast();
        let ExprKind::Call { callee, args, .. } = ast[expr].kind else { return None };
        let ExprKind::Name(name) = ast[callee].kind else { return None };
        let [arg] = ast[args] else { return None };
        let is_require = ast.text(name) == "require"
            && self.resolved.use_of(callee) == Use::Global
            && matches!(ast[arg].kind, ExprKind::String);
        is_require.then(|| self.string(ast[arg].span))
    }

    fn string(&self, span: Span) -> String {
        String::from_utf8_lossy(&literal::string(span.text(&self.source))).into_owned()
    }

    /// The alias of `imports:` whose library an expression is.
    fn import_of(&self, expr: ExprId) -> Option<String> {
        let ExprKind::Name(name) = self.ast()[expr].kind else {
            return self.required(expr).filter(|name| self.is_import(name));
        };
        match self.resolved.use_of(expr) {
            Use::Global => {
                let text = self.ast().text(name);
                self.is_import(text).then(|| text.to_owned())
            }
            used => self.import_in(used.binding()?),
        }
    }

    /// The alias of `imports:` whose library a local holds.
    fn import_in(&self, binding: BindingId) -> Option<String> {
        let value = self.tables.value_of(binding)?;
        self.required(value).filter(|name| self.is_import(name))
    }
}
