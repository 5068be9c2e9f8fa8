//! What a source puts into the tables that its locals hold, and what it returns.

use std::collections::HashMap;

use super::Analysis;
use crate::lang::ast::*;
use crate::lang::check::doc_above;
use crate::lang::resolve::Resolved;
use crate::lang::resolve::Use;
use crate::lang::span::Span;
use crate::lang::types::Kind;
use crate::lang::types::Ty;

/// How far a local may stand for another one.
const DEPTH: usize = 16;

/// Something that a source returns, as its users see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Its name.
    pub name: String,
    /// Where it is named in its source.
    pub span: Span,
    /// Its type, as users read it.
    pub shown: String,
    /// Is it a function?
    pub function: bool,
    /// Is it to be called with a colon?
    pub method: bool,
    /// The comment above it.
    pub doc: String,
}

/// One field that the source puts into a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Put {
    pub(super) name: Ident,
    /// Where comments about it stand above.
    pub(super) at: u32,
    pub(super) value: PutValue,
    pub(super) method: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum PutValue {
    Expr(ExprId),
    Function(FunctionId),
    /// One of the values of a call.
    Unknown,
}

/// The tables of a source.
#[derive(Debug, Default)]
pub(super) struct Tables {
    /// In the order of the source.
    puts: HashMap<BindingId, Vec<Put>>,
    /// `self` of a method, and instances by `setmetatable`: which table they look like.
    like: HashMap<BindingId, BindingId>,
    values: HashMap<BindingId, ExprId>,
    holders: HashMap<ExprId, BindingId>,
    /// Where the statements begin that declare locals.
    declared: HashMap<BindingId, u32>,
}

impl Tables {
    pub(super) fn new(ast: &Ast, resolved: &Resolved) -> Tables {
        let mut tables = Tables::default();
        for (_, stat) in ast.stats() {
            match stat.kind {
                StatKind::LocalFunction { binding, .. } => {
                    tables.declared.insert(binding, stat.span.start);
                }
                StatKind::Local { bindings, values, .. } => {
                    for binding in ast.binding_ids(bindings) {
                        tables.declared.insert(binding, stat.span.start);
                    }
                    for (binding, value) in ast.binding_ids(bindings).zip(&ast[values]) {
                        tables.values.insert(binding, *value);
                        tables.local(ast, resolved, binding, *value);
                    }
                }
                StatKind::Function { target, function } => {
                    if let ExprKind::Method { object, .. } = ast[target].kind
                        && let Some(binding) = resolved.use_of(object).binding()
                        && let Some(receiver) = ast[function].receiver
                    {
                        tables.like.insert(receiver, binding);
                    }
                }
                _ => {}
            }
        }
        for (_, stat) in ast.stats() {
            match stat.kind {
                StatKind::Function { target, function } => {
                    tables.put(ast, resolved, target, stat.span, PutValue::Function(function));
                }
                StatKind::Assign { targets, values, .. } => {
                    let values = &ast[values];
                    for (n, target) in ast[targets].iter().enumerate() {
                        let value = values.get(n).map_or(PutValue::Unknown, |v| PutValue::Expr(*v));
                        tables.put(ast, resolved, *target, stat.span, value);
                    }
                }
                _ => {}
            }
        }
        for puts in tables.puts.values_mut() {
            puts.sort_by_key(|put| put.name.span);
        }
        tables
    }

    /// `local binding = value`.
    fn local(&mut self, ast: &Ast, resolved: &Resolved, binding: BindingId, value: ExprId) {
        match ast[value].kind {
            ExprKind::Table(fields) => {
                self.holders.insert(value, binding);
                self.fields(ast, binding, fields);
            }
            ExprKind::Call { callee, args, .. } => {
                let ExprKind::Name(name) = ast[callee].kind else { return };
                let [first, second] = ast[args] else { return };
                if ast.text(name) != "setmetatable" || resolved.use_of(callee) != Use::Global {
                    return;
                }
                let Some(like) = resolved.use_of(second).binding() else { return };
                self.like.insert(binding, like);
                if let ExprKind::Table(fields) = ast[first].kind {
                    self.holders.insert(first, like);
                    self.fields(ast, like, fields);
                }
            }
            _ => {}
        }
    }

    fn fields(&mut self, ast: &Ast, binding: BindingId, fields: List<TableField>) {
        let puts = self.puts.entry(binding).or_default();
        puts.extend(ast[fields].iter().filter_map(|field| match *field {
            TableField::Named { name, value } => {
                let put = PutValue::Expr(value);
                Some(Put { name, at: name.span.start, value: put, method: false })
            }
            _ => None,
        }));
    }

    /// `target = value`, if the target is a field of a table in a local.
    fn put(&mut self, ast: &Ast, resolved: &Resolved, target: ExprId, stat: Span, value: PutValue) {
        let (object, name, method) = match ast[target].kind {
            ExprKind::Field { object, name, .. } => (object, name, false),
            ExprKind::Method { object, name, .. } => (object, name, true),
            _ => return,
        };
        if let (ExprKind::Name(_), Some(binding)) =
            (ast[object].kind, resolved.use_of(object).binding())
        {
            let binding = self.table_of(binding);
            let put = Put { name, at: stat.start, value, method };
            self.puts.entry(binding).or_default().push(put);
        }
    }

    /// The table that a local looks like: its own, or that of what it stands for.
    fn table_of(&self, binding: BindingId) -> BindingId {
        let mut known = binding;
        for _ in 0..DEPTH {
            match self.like.get(&known) {
                Some(like) => known = *like,
                None => break,
            }
        }
        known
    }

    /// The fields that the source puts into the table of a local, each name once.
    pub(super) fn puts(&self, binding: BindingId) -> Vec<Put> {
        let all = self.puts.get(&self.table_of(binding)).map(Vec::as_slice).unwrap_or_default();
        let mut seen = std::collections::HashSet::new();
        all.iter().filter(|put| seen.insert(put.name.name)).copied().collect()
    }

    /// The first place that puts a field of this name there.
    pub(super) fn find(&self, binding: BindingId, name: Name) -> Option<Put> {
        let all = self.puts.get(&self.table_of(binding))?;
        all.iter().find(|put| put.name.name == name && name != Name::MISSING).copied()
    }

    /// What `local binding = value` gives it.
    pub(super) fn value_of(&self, binding: BindingId) -> Option<ExprId> {
        self.values.get(&binding).copied()
    }

    /// The local in which a table lies when it is made.
    pub(super) fn holder(&self, table: ExprId) -> Option<BindingId> {
        self.holders.get(&table).copied()
    }
}

impl Analysis {
    /// The type of what was put there.
    pub(super) fn put_type(&self, put: &Put) -> Ty {
        match put.value {
            PutValue::Function(function) => {
                self.seen.functions.get(function.index()).copied().flatten().unwrap_or(Ty::FUNCTION)
            }
            PutValue::Expr(expr) => self.type_of(expr).map_or(Ty::ANY, |ty| self.types.widen(ty)),
            PutValue::Unknown => Ty::ANY,
        }
    }

    fn exported(&self, put: &Put) -> Export {
        let ty = self.put_type(put);
        Export {
            name: self.ast().text(put.name.name).to_owned(),
            span: put.name.span,
            shown: self.types.show(ty),
            function: matches!(self.types.kind(ty), Kind::Signature(_) | Kind::Function),
            method: put.method,
            doc: doc_above(self.ast(), &self.source, put.at),
        }
    }

    /// What the source returns: the fields of the table behind its last `return`.
    pub fn exports(&self) -> Vec<Export> {
        let ast = self.ast();
        let stats = ast[ast[ast.root].stats].iter().rev();
        let returned = stats.filter_map(|stat| match ast[*stat].kind {
            StatKind::Return(values) => ast[values].first().copied(),
            _ => None,
        });
        let Some(value) = returned.take(1).next() else { return Vec::new() };
        match ast[value].kind {
            ExprKind::Name(_) => {
                let binding = self.resolved.use_of(value).binding();
                let puts = binding.map(|binding| self.tables.puts(binding)).unwrap_or_default();
                puts.iter().map(|put| self.exported(put)).collect()
            }
            ExprKind::Table(fields) => {
                ast[fields].iter().filter_map(|field| self.returned(*field)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// `{name = value}`: a local that is handed out is described where it is declared.
    fn returned(&self, field: TableField) -> Option<Export> {
        let TableField::Named { name, value } = field else { return None };
        let at = name.span.start;
        let put = Put { name, at, value: PutValue::Expr(value), method: false };
        let mut export = self.exported(&put);
        if let Some(binding) = self.resolved.use_of(value).binding() {
            export.span = self.ast()[binding].name.span;
            if export.doc.is_empty() {
                export.doc = self.local_doc(binding);
            }
        }
        Some(export)
    }

    /// The comment above the statement that declares a local.
    pub(super) fn local_doc(&self, binding: BindingId) -> String {
        let at = self.tables.declared.get(&binding);
        at.map_or_else(String::new, |at| doc_above(self.ast(), &self.source, *at))
    }
}
