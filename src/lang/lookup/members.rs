//! What values have: fields, functions of modules, methods of host objects.

use super::Analysis;
use super::Imports;
use super::tables::Export;
use crate::lang::ast::*;
use crate::lang::check::Member;
use crate::lang::types::Field;
use crate::lang::types::Kind;
use crate::lang::types::Ty;

/// How far bases and parts of types are followed, and how many fields are told.
const PARTS_MAX: usize = 64;
const FIELDS_MAX: usize = 2000;

/// Something that a value has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Described {
    pub(super) name: String,
    /// What it is a member of, as users write it: `time`, `time.Duration`, `M`; may be empty.
    pub(super) owner: String,
    /// Its type.
    pub(super) shown: String,
    pub(super) function: bool,
    /// Whether it goes behind a dot, and behind a colon.
    pub(super) dot: bool,
    pub(super) colon: bool,
    pub(super) doc: String,
}

impl Described {
    /// As it would be declared.
    pub(super) fn code(&self) -> String {
        let joint = if self.dot || !self.colon { '.' } else { ':' };
        let owner = match self.owner.as_str() {
            "" => String::new(),
            owner => format!("{owner}{joint}"),
        };
        declared(&format!("{owner}{}", self.name), &self.shown, self.function)
    }
}

/// A name with its type, a function as one.
pub(super) fn declared(name: &str, shown: &str, function: bool) -> String {
    match function && shown.starts_with('(') {
        true => format!("function {name}{shown}"),
        false => format!("{name}: {shown}"),
    }
}

impl Analysis {
    /// All that the value of an expression is known to have, each name once.
    pub(super) fn members_of(&mut self, object: ExprId, imports: Imports<'_>) -> Vec<Described> {
        let mut all = self.members_at(object, imports);
        let mut seen = std::collections::HashSet::new();
        all.retain(|member| seen.insert(member.name.clone()));
        all
    }

    /// The member of this name.
    pub(super) fn member_of(
        &mut self,
        object: ExprId,
        name: &str,
        imports: Imports<'_>,
    ) -> Option<Described> {
        self.members_at(object, imports).into_iter().find(|member| member.name == name)
    }

    fn members_at(&mut self, object: ExprId, imports: Imports<'_>) -> Vec<Described> {
        if let Some(alias) = self.import_of(object) {
            let exports = imports(&alias);
            let exports = exports.iter().flat_map(|exports| exports.iter());
            return exports.map(|export| of_export(&alias, export)).collect();
        }
        let mut all = Vec::new();
        if let Some(ty) = self.type_of(object).or_else(|| self.global_type(object)) {
            all.extend(self.members_of_type(ty));
        }
        if let Some(binding) = self.resolved.use_of(object).binding() {
            let owner = self.ast().text(self.ast()[binding].name.name).to_owned();
            for put in self.tables.puts(binding) {
                let ty = self.put_type(&put);
                all.push(Described {
                    name: self.ast().text(put.name.name).to_owned(),
                    owner: owner.clone(),
                    shown: self.types.show(ty),
                    function: matches!(self.types.kind(ty), Kind::Signature(_) | Kind::Function),
                    dot: !put.method,
                    colon: true,
                    doc: crate::lang::check::doc_above(self.ast(), &self.source, put.at),
                });
            }
        }
        all
    }

    /// A module that is named where nobody has looked.
    fn global_type(&self, object: ExprId) -> Option<Ty> {
        let ExprKind::Name(name) = self.ast()[object].kind else { return None };
        let text = self.ast().text(name);
        self.is_granted(text).then(|| self.library.module_type(text)).flatten()
    }

    fn members_of_type(&mut self, ty: Ty) -> Vec<Described> {
        // Under its name, if it has one.
        let named = self.types.without_nil(ty);
        let ty = self.types.resolve(named);
        let is_text = self.types.type_name(ty) == Some("string");
        let holder = match self.types.kind(ty) {
            _ if is_text => self.library.module_type("string"),
            Kind::Error => self.library.host_type("errors", "Error"),
            _ => Some(named),
        };
        let Some(holder) = holder else { return Vec::new() };
        let mut all = Vec::new();
        for (owner, is_module, field) in self.fields_of(holder) {
            let name = self.types.text(field.name).to_owned();
            if name.starts_with("__") || name.is_empty() {
                continue;
            }
            let function = matches!(self.types.kind(field.ty), Kind::Signature(_) | Kind::Function);
            let known: Option<&Member> = self.library.member(&owner, &name);
            let host = known.is_some();
            all.push(Described {
                function,
                dot: !(is_text || host && field.method),
                colon: function && (is_text || !is_module),
                shown: match known {
                    Some(member) => member.shown.clone(),
                    None => self.types.show(field.ty),
                },
                doc: known.map(|member| member.doc.clone()).unwrap_or_default(),
                name,
                owner,
            });
        }
        all
    }

    /// The fields of a type and its bases or parts, with the names of what declares them and whether that
    /// is a module.
    fn fields_of(&mut self, ty: Ty) -> Vec<(String, bool, Field)> {
        let mut open = vec![ty];
        let mut seen: Vec<Ty> = Vec::new();
        let mut all = Vec::new();
        while let Some(ty) = open.pop() {
            let owner = self.owner_name(ty);
            let ty = self.types.resolve(ty);
            if seen.contains(&ty) || seen.len() >= PARTS_MAX || all.len() >= FIELDS_MAX {
                continue;
            }
            seen.push(ty);
            match self.types.kind(ty) {
                Kind::Record(fields) => {
                    all.extend(fields.iter().map(|field| (owner.clone(), false, *field)));
                }
                Kind::Class(class) => {
                    let class = self.types.class(*class);
                    let (owner, module) = (self.types.text(class.name).to_owned(), class.module);
                    all.extend(class.fields.iter().map(|field| (owner.clone(), module, *field)));
                    open.extend(class.bases.iter().rev());
                }
                Kind::Intersection(parts) | Kind::Union(parts) => open.extend(parts.iter().rev()),
                _ => {}
            }
        }
        all
    }

    /// The name under which a type is declared; empty if it has none.
    fn owner_name(&self, ty: Ty) -> String {
        match self.types.kind(ty) {
            Kind::Alias(alias, _) => self.types.text(self.types.alias(*alias).name).to_owned(),
            _ => String::new(),
        }
    }
}

fn of_export(alias: &str, export: &Export) -> Described {
    Described {
        name: export.name.clone(),
        owner: alias.to_owned(),
        shown: export.shown.clone(),
        function: export.function,
        dot: !export.method,
        colon: export.function,
        doc: export.doc.clone(),
    }
}
