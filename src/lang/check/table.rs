//! Table constructors, with and without a type that is wanted.

use std::collections::HashSet;

use super::Checker;
use super::DEPTH;
use super::Value;
use super::codes;
use super::expr::Want;
use crate::lang::ast::*;
use crate::lang::types::Field;
use crate::lang::types::Kind;
use crate::lang::types::Literal;
use crate::lang::types::Sym;
use crate::lang::types::Ty;

impl Checker<'_> {
    /// A table that nobody wants to be of some type.
    pub(super) fn open_table(&mut self, fields: List<TableField>) {
        let ast = self.ast;
        for field in &ast[fields] {
            if let TableField::Keyed { key, .. } = field {
                self.infer(*key);
            }
            self.infer(field.value());
        }
    }

    /// A table where a type is wanted: what is in it is checked once, against the fields.
    pub(super) fn table(&mut self, id: ExprId, fields: List<TableField>, want: Want) {
        // A part of a union may be that union again: `type A = A?`.
        self.depth += 1;
        match self.depth > DEPTH {
            true => self.open_table(fields),
            false => self.table_of(id, fields, want),
        }
        self.depth -= 1;
    }

    fn table_of(&mut self, id: ExprId, fields: List<TableField>, want: Want) {
        let wanted = self.types.resolve(want.ty);
        match self.types.kind(wanted) {
            Kind::Union(parts) => {
                let parts = parts.clone();
                self.one_of(id, fields, &parts, want);
            }
            Kind::Array(element) => {
                let want = Want { ty: *element, ..want };
                self.elements(fields, None, Some(want));
            }
            Kind::Map(_, value) => {
                let want = Want { ty: *value, ..want };
                self.elements(fields, Some(want), Some(want));
            }
            Kind::Record(_) | Kind::Intersection(_) => self.fields(id, fields, wanted, want),
            _ => {
                self.open_table(fields);
                self.fit(Value::sure(Ty::TABLE), self.ast[id].span, want);
            }
        }
    }

    /// `named` is wanted of what has a name, `items` of what has a place.
    fn elements(&mut self, fields: List<TableField>, named: Option<Want>, items: Option<Want>) {
        let ast = self.ast;
        for field in &ast[fields] {
            let want = match field {
                TableField::Item(_) => items,
                TableField::Named { .. } => named,
                TableField::Keyed { key, .. } => {
                    self.infer(*key);
                    items
                }
            };
            match want {
                // `nil` as an element leaves a gap, no more.
                Some(want) if !self.is_several(field.value()) => {
                    let ty = self.types.optional(want.ty);
                    self.check(field.value(), Want { ty, ..want });
                }
                _ => {
                    self.infer(field.value());
                }
            }
        }
    }

    pub(super) fn is_several(&self, id: ExprId) -> bool {
        matches!(self.ast[id].kind, ExprKind::Call { .. } | ExprKind::Vararg)
    }

    fn fields(&mut self, id: ExprId, list: List<TableField>, wanted: Ty, want: Want) {
        let ast = self.ast;
        let mut seen: HashSet<Sym> = HashSet::new();
        let mut open = false;
        for field in &ast[list] {
            let name = self.field_name(*field);
            if let TableField::Keyed { key, .. } = field {
                self.infer(*key);
            }
            let Some(name) = name else {
                open = true;
                self.infer(field.value());
                continue;
            };
            seen.insert(name);
            match self.types.field(wanted, name) {
                Some(known) => {
                    let ty = match known.optional {
                        true => self.types.optional(known.ty),
                        false => known.ty,
                    };
                    self.check(field.value(), Want { ty, ..want });
                }
                None => {
                    self.infer(field.value());
                }
            }
        }
        let Kind::Record(known) = self.types.kind(wanted) else { return };
        let is_missing = |field: &&Field| !field.optional && !seen.contains(&field.name);
        let missing: Vec<&str> =
            known.iter().filter(is_missing).map(|field| self.types.text(field.name)).collect();
        if open || missing.is_empty() {
            return;
        }
        let message =
            format!("the table lacks {} of {}", quoted(&missing), self.types.show(want.ty));
        self.report(codes::MISSING_FIELD, self.ast[id].span, message);
    }

    fn field_name(&mut self, field: TableField) -> Option<Sym> {
        match field {
            TableField::Named { name, .. } => Some(self.sym(name.name)),
            TableField::Keyed { key, .. } if matches!(self.ast[key].kind, ExprKind::String) => {
                let ty = self.string_literal(self.ast[key].span);
                match self.types.kind(ty) {
                    Kind::Literal(Literal::String(name)) => Some(*name),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// A table where one of several types is wanted: the fields that are literals tell which.
    fn one_of(&mut self, id: ExprId, list: List<TableField>, parts: &[Ty], want: Want) {
        let mut tables = Vec::new();
        for part in parts {
            let resolved = self.types.resolve(*part);
            if self.types.accepts(Ty::TABLE, resolved, true) {
                tables.push(resolved);
            }
        }
        if tables.is_empty() {
            self.open_table(list);
            self.fit(Value::sure(Ty::TABLE), self.ast[id].span, want);
            return;
        }
        let ast = self.ast;
        let n_tables = tables.len();
        let mut fitting = tables.clone();
        for field in &ast[list] {
            let is_literal = matches!(
                ast[field.value()].kind,
                ExprKind::String | ExprKind::Number | ExprKind::Bool(_)
            );
            if let Some(name) = self.field_name(*field)
                && is_literal
            {
                let value = self.infer(field.value());
                fitting.retain(|ty| {
                    let known = self.types.field(*ty, name);
                    known.is_none_or(|field| self.types.accepts(value.ty, field.ty, true))
                });
            }
        }
        match fitting[..] {
            [only] => self.table(id, list, Want { ty: only, ..want }),
            // Against the only candidate, what does not fit is said field by field.
            [] if n_tables == 1 => self.table(id, list, Want { ty: tables[0], ..want }),
            [] => {
                self.open_table(list);
                let message = format!("the table fits no part of {}", self.types.show(want.ty));
                self.report(want.code, self.ast[id].span, message);
            }
            _ => self.open_table(list),
        }
    }
}

fn quoted(names: &[&str]) -> String {
    const SHOWN: usize = 3;
    let mut shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("'{name}'")).collect();
    if names.len() > SHOWN {
        shown.push(format!("{} more", names.len() - SHOWN));
    }
    match shown.split_last() {
        Some((last, before)) if !before.is_empty() => {
            format!("{} and {last}", before.join(", "))
        }
        _ => shown.concat(),
    }
}
