//! The static checker: one walk over the tree with its names.
//!
//! Types flow down where one is wanted (an annotation, a parameter, a promised result) and up from
//! literals, calls and declared locals. The rule of the house: *refuse what is sure to be wrong, take
//! everything else*. So every value is known with its `Value::sure`: a union or an optional that
//! was looked at by some test, came from a host function or from a variable that is written to is not
//! sure, and then only a type with nothing in common is refused.
//!
//! What is refused is in [`codes`]; errors are those of the specification (02, section 3.3), warnings
//! are shown by `wippy lint` only. Style is apart, in [`rules`].
//!
//! Left out on purpose: types of globals that a source creates, of tables without a declared type,
//! of what imports return, and results of functions that declare none. They are `any`.

mod call;
pub mod codes;
mod expr;
mod function;
mod library;
mod lower;
mod narrow;
mod operator;
pub mod rules;
mod stat;
mod table;

pub use library::Declaration;
pub use library::GLOBALS;
pub use library::Library;
pub use library::Member;
pub(in crate::lang) use library::doc_above;

use std::collections::HashMap;

use smallvec::SmallVec;

use super::ast::*;
use super::diagnostic::Code;
use super::diagnostic::Diagnostic;
use super::limits;
use super::resolve::Resolved;
use super::span::Span;
use super::types::Sym;
use super::types::Ty;
use super::types::Types;

/// Nesting of expressions that is looked into.
const DEPTH: u32 = 160;

/// What an entry may use.
#[derive(Clone, Copy, Debug, Default)]
pub struct Grants<'a> {
    /// Its `modules:`. `None`: every module there is.
    pub modules: Option<&'a [&'a str]>,
    /// The aliases of its `imports:`.
    pub imports: &'a [&'a str],
}

/// What the checker found.
#[derive(Debug)]
pub struct Checked {
    /// In the order of the source.
    pub diagnostics: Vec<Diagnostic>,
    /// The types that [`Checked::locals`] names.
    pub types: Types,
    /// The type of every local, by [`BindingId::index`].
    pub locals: Vec<Ty>,
}

/// The types of places, for those who ask about them; see [`inspect`].
#[derive(Debug, Default)]
pub struct Seen {
    /// What each expression was worth where it stands, by [`ExprId::index`]; none where nobody looked.
    pub exprs: Vec<Option<Ty>>,
    /// The type of each function, by [`FunctionId::index`].
    pub functions: Vec<Option<Ty>>,
    /// The number that the source's first alias has among the types.
    pub first_alias: u32,
}

/// Checks a source. It should parse; what does not is taken as fitting everywhere.
pub fn check(
    ast: &Ast,
    resolved: &Resolved,
    source: &str,
    library: &Library,
    grants: Grants<'_>,
) -> Checked {
    run(ast, resolved, source, library, grants, None).0
}

/// Checks a source like [`check`], and keeps the types of all expressions.
pub fn inspect(
    ast: &Ast,
    resolved: &Resolved,
    source: &str,
    library: &Library,
    grants: Grants<'_>,
) -> (Checked, Seen) {
    let seen = Seen {
        exprs: vec![None; ast.expr_count()],
        functions: vec![None; ast.function_count()],
        first_alias: 0,
    };
    let (checked, seen) = run(ast, resolved, source, library, grants, Some(seen));
    (checked, seen.unwrap_or_default())
}

fn run(
    ast: &Ast,
    resolved: &Resolved,
    source: &str,
    library: &Library,
    grants: Grants<'_>,
    seen: Option<Seen>,
) -> (Checked, Option<Seen>) {
    let types = Types::above(library.types.clone(), source.len());
    let mut checker = Checker::new(ast, resolved, source, library, grants, types);
    checker.seen = seen;
    checker.find_modules();
    checker.lower_aliases();
    checker.enter_function(None, function::Promise::default());
    checker.block(ast.root);
    let mut diagnostics = checker.diagnostics;
    diagnostics.sort_by_key(|found| found.span);
    let locals = checker.slots.iter().map(|slot| slot.ty).collect();
    let mut seen = checker.seen;
    if let Some(seen) = &mut seen {
        seen.first_alias = checker.first_alias;
    }
    (Checked { diagnostics, types: checker.types, locals }, seen)
}

/// What is known of a value.
#[derive(Clone, Copy, Debug)]
struct Value {
    ty: Ty,
    /// Nothing but the type itself tells more about it.
    sure: bool,
    /// It comes from a host module: what is wrong with its use is not for us to refuse.
    host: bool,
}

impl Value {
    const ANY: Value = Value { ty: Ty::ANY, sure: false, host: false };

    fn sure(ty: Ty) -> Self {
        Self { ty, sure: true, host: false }
    }

    fn unsure(ty: Ty) -> Self {
        Self { ty, sure: false, host: false }
    }
}

/// Values of a list, and what comes after them.
struct Values {
    known: SmallVec<[Value; 4]>,
    rest: Rest,
}

/// What follows the last known value.
#[derive(Clone, Copy)]
enum Rest {
    /// Nothing: `nil`.
    None,
    /// Any number of these.
    Some(Value),
}

impl Values {
    fn get(&self, index: usize) -> Option<Value> {
        match (self.known.get(index), self.rest) {
            (Some(value), _) => Some(*value),
            (None, Rest::Some(value)) => Some(Value { sure: false, ..value }),
            (None, Rest::None) => None,
        }
    }
}

struct Checker<'a> {
    ast: &'a Ast,
    resolved: &'a Resolved,
    source: &'a str,
    library: &'a Library,
    grants: Grants<'a>,
    types: Types,
    diagnostics: Vec<Diagnostic>,
    /// What is known of each local now.
    slots: Vec<Value>,
    /// What locals were before they were narrowed.
    undo: Vec<(BindingId, Ty)>,
    /// Texts of names as the types number them.
    syms: Vec<Option<Sym>>,
    /// Type parameters in sight.
    generics: Vec<(Name, Ty)>,
    /// The number of the source's first alias, and classes that stand for aliases.
    first_alias: u32,
    alias_types: Vec<Option<Ty>>,
    /// What the annotations of locals say that some `typeof` names.
    annotated: HashMap<BindingId, Ty>,
    /// Which module a local at the top of the file holds.
    modules_in: HashMap<BindingId, &'a str>,
    /// Globals that the source writes to.
    written: Vec<bool>,
    functions: Vec<function::Frame>,
    /// The loops around a place, and whether they are left by `break`.
    loops: Vec<bool>,
    /// Inside a condition.
    testing: u32,
    depth: u32,
    typeof_depth: u32,
    /// A declaration of host modules is read, not a program.
    declaring: bool,
    /// What is kept for [`inspect`].
    seen: Option<Seen>,
}

impl<'a> Checker<'a> {
    fn new(
        ast: &'a Ast,
        resolved: &'a Resolved,
        source: &'a str,
        library: &'a Library,
        grants: Grants<'a>,
        types: Types,
    ) -> Self {
        let mut written = vec![false; ast.names.count()];
        for global in resolved.globals.iter().filter(|global| global.write) {
            written[global.name.index()] = true;
        }
        Self {
            ast,
            resolved,
            source,
            library,
            grants,
            types,
            diagnostics: Vec::new(),
            slots: vec![Value::ANY; ast.binding_count()],
            undo: Vec::new(),
            syms: vec![None; ast.names.count()],
            generics: Vec::new(),
            first_alias: 0,
            alias_types: Vec::new(),
            annotated: HashMap::new(),
            modules_in: HashMap::new(),
            written,
            functions: Vec::new(),
            loops: Vec::new(),
            testing: 0,
            depth: 0,
            typeof_depth: 0,
            declaring: false,
            seen: None,
        }
    }

    /// Keeps the type of an expression, if somebody wants to know.
    fn note(&mut self, id: ExprId, ty: Ty) {
        if let Some(seen) = &mut self.seen {
            seen.exprs[id.index()] = Some(ty);
        }
    }

    fn sym(&mut self, name: Name) -> Sym {
        if let Some(known) = self.syms[name.index()] {
            return known;
        }
        let sym = self.types.sym(self.ast.text(name));
        self.syms[name.index()] = Some(sym);
        sym
    }

    /// Is there no place for further findings?
    fn is_full(&self) -> bool {
        self.diagnostics.len() >= limits::DIAGNOSTICS
    }

    fn report(&mut self, code: Code, span: Span, message: String) -> Option<&mut Diagnostic> {
        if self.is_full() {
            return None;
        }
        let (related, help) = (None, None);
        self.diagnostics.push(Diagnostic { code, span, message, related, help });
        self.diagnostics.last_mut()
    }

    /// Locals at the top of the file that hold a module: their types have names.
    fn find_modules(&mut self) {
        let ast = self.ast;
        for stat in &ast[ast[ast.root].stats] {
            let StatKind::Local { bindings, values, .. } = ast[*stat].kind else { continue };
            for (binding, value) in ast.binding_ids(bindings).zip(&ast[values]) {
                if let Some(name) = self.required(*value)
                    && let Some(module) = self.library.module_name(&name)
                {
                    self.modules_in.insert(binding, module);
                }
            }
        }
    }

    /// The name in `require("name")`, if that is what the expression is.
    fn required(&self, expr: ExprId) -> Option<String> {
        let ExprKind::Call { callee, args, .. } = self.ast[expr].kind else { return None };
        let ExprKind::Name(name) = self.ast[callee].kind else { return None };
        let [arg] = self.ast[args] else { return None };
        let is_require = self.ast.text(name) == "require"
            && self.resolved.use_of(callee) == crate::lang::resolve::Use::Global;
        let span = self.ast[arg].span;
        let is_literal = matches!(self.ast[arg].kind, ExprKind::String);
        (is_require && is_literal).then(|| {
            let text = crate::lang::literal::string(span.text(self.source));
            String::from_utf8_lossy(&text).into_owned()
        })
    }

    /// Types may name each other in any order: first all names, then what they stand for.
    fn lower_aliases(&mut self) {
        let ast = self.ast;
        for (n, (_, alias)) in ast.aliases().enumerate() {
            let number = self.types.add_alias(ast.text(alias.name.name));
            if n == 0 {
                self.first_alias = number;
            }
        }
        self.alias_types.resize(ast.alias_count(), None);
        for (id, _) in ast.aliases() {
            self.lower_alias(id);
        }
        self.types.forget_expansions();
    }

    fn lower_alias(&mut self, id: AliasId) {
        let alias = self.ast[id];
        let mark = self.generics.len();
        let params = self.enter_generics(alias.generics);
        let mut body = self.ty(alias.ty);
        if !alias.bases.is_empty() {
            let mut parts = vec![body];
            let ast = self.ast;
            parts.extend(ast[alias.bases].iter().map(|base| self.ty(*base)));
            body = self.types.make(super::types::Kind::Intersection(parts.into()));
        }
        self.generics.truncate(mark);
        let known = self.types.alias_mut(self.first_alias + id.index() as u32);
        (known.params, known.body) = (params, body);
    }
}
