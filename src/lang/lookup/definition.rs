//! Where a name is declared, and where else it is used.

use super::Analysis;
use super::Subject;
use crate::lang::ast::*;
use crate::lang::resolve::TypeUse;
use crate::lang::resolve::Use;
use crate::lang::span::Span;
use crate::lang::types::Kind;

/// How far declared types are followed.
const DEPTH: u32 = 16;

/// Where something is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Definition {
    /// In this source.
    Here(Span),
    /// In the entry behind an alias of `imports:`: all of it, or what it returns under a name.
    Import {
        /// The alias.
        alias: String,
        /// The name.
        member: Option<String>,
    },
}

impl Analysis {
    /// Where the name at a place is declared; `None` for what the runtime itself has.
    pub fn definition(&self, at: u32) -> Option<Definition> {
        let (subject, _) = self.subject(at)?;
        let ast = self.ast();
        let import = |alias: &str, member: Option<&str>| Definition::Import {
            alias: alias.to_owned(),
            member: member.map(str::to_owned),
        };
        match subject {
            Subject::Local { binding, used } => match used.and_then(|used| self.import_of(used)) {
                Some(alias) => Some(import(&alias, None)),
                None => Some(Definition::Here(ast[binding].name.span)),
            },
            Subject::Global(name) if self.is_import(ast.text(name)) => {
                Some(import(ast.text(name), None))
            }
            Subject::Global(name) => {
                let writes =
                    |used: &&crate::lang::resolve::GlobalUse| used.name == name && used.write;
                let first = self.resolved.globals.iter().find(writes)?;
                Some(Definition::Here(ast[first.expr].span))
            }
            Subject::Member { object, name } => {
                if let Some(alias) = self.import_of(object) {
                    return Some(import(&alias, Some(ast.text(name.name))));
                }
                let span = self.declared_field(object, name.name).or_else(|| {
                    let binding = self.resolved.use_of(object).binding()?;
                    Some(self.tables.find(binding, name.name)?.name.span)
                });
                span.map(Definition::Here)
            }
            Subject::Key { binding, name, .. } => {
                let put = binding.and_then(|binding| self.tables.find(binding, name.name));
                Some(Definition::Here(put.map_or(name.span, |put| put.name.span)))
            }
            Subject::Alias(alias) => Some(Definition::Here(ast[alias].name.span)),
            Subject::Label(label) => match ast[label].kind {
                StatKind::Label(name) => Some(Definition::Here(name.span)),
                _ => None,
            },
            Subject::Required(name) if self.is_import(&name) => Some(import(&name, None)),
            Subject::HostType { .. } | Subject::Builtin(_) | Subject::Required(_) => None,
        }
    }

    /// Where the declared type of a value has the field.
    fn declared_field(&self, object: ExprId, name: Name) -> Option<Span> {
        let annotation = self.resolved.use_of(object).binding().and_then(|b| self.ast()[b].ty);
        if let Some(found) = annotation.and_then(|ty| self.field_in(ty, name, 0)) {
            return Some(found);
        }
        let ty = self.type_of(object)?;
        let parts = match self.types.kind(ty) {
            Kind::Union(parts) => parts.to_vec(),
            _ => vec![ty],
        };
        parts.into_iter().find_map(|part| {
            let Kind::Alias(number, _) = self.types.kind(part) else { return None };
            let index = number.checked_sub(self.seen.first_alias)? as usize;
            let (id, _) = self.ast().aliases().nth(index)?;
            self.field_of_alias(id, name, 0)
        })
    }

    fn field_of_alias(&self, alias: AliasId, name: Name, depth: u32) -> Option<Span> {
        let alias = self.ast()[alias];
        let bases = self.ast()[alias.bases].iter().copied();
        std::iter::once(alias.ty).chain(bases).find_map(|ty| self.field_in(ty, name, depth + 1))
    }

    fn field_in(&self, ty: TypeId, name: Name, depth: u32) -> Option<Span> {
        if depth > DEPTH || name == Name::MISSING {
            return None;
        }
        let ast = self.ast();
        match ast[ty].kind {
            TypeKind::Name { prefix: None, .. } => match self.resolved.type_use(ty) {
                TypeUse::Alias(alias) => self.field_of_alias(alias, name, depth),
                _ => None,
            },
            TypeKind::Optional(ty)
            | TypeKind::Paren(ty)
            | TypeKind::Readonly(ty)
            | TypeKind::Validated { ty, .. } => self.field_in(ty, name, depth + 1),
            TypeKind::Union(parts) | TypeKind::Intersection(parts) => {
                ast[parts].iter().find_map(|part| self.field_in(*part, name, depth + 1))
            }
            TypeKind::Record { fields, .. } => {
                ast[fields].iter().find_map(|field| match field.key {
                    TypeKey::Name(key) | TypeKey::Method(key) if key.name == name => Some(key.span),
                    _ => None,
                })
            }
            _ => None,
        }
    }

    /// All places of this source that mean what the name at a place means, its declaration among them,
    /// in order. Fields are not followed.
    pub fn references(&self, at: u32) -> Vec<Span> {
        let Some((subject, _)) = self.subject(at) else { return Vec::new() };
        let ast = self.ast();
        let mut all: Vec<Span> = match subject {
            Subject::Local { binding, .. } => {
                let uses = ast
                    .exprs()
                    .filter(|(id, _)| self.resolved.use_of(*id).binding() == Some(binding))
                    .map(|(_, expr)| expr.span);
                let in_types = ast.types().filter_map(|(id, ty)| match ty.kind {
                    TypeKind::Name { prefix: Some(prefix), .. } => {
                        let used = self.resolved.type_use(id) == TypeUse::Import(binding);
                        used.then_some(prefix.span)
                    }
                    _ => None,
                });
                uses.chain(in_types).chain([ast[binding].name.span]).collect()
            }
            Subject::Global(name) => {
                let uses = self.resolved.globals.iter().filter(|used| used.name == name);
                uses.map(|used| ast[used.expr].span).collect()
            }
            Subject::Alias(alias) => {
                let in_types = ast.types().filter_map(|(id, ty)| match ty.kind {
                    TypeKind::Name { name, .. } => {
                        let used = self.resolved.type_use(id) == TypeUse::Alias(alias);
                        used.then_some(name.span)
                    }
                    _ => None,
                });
                let values = ast
                    .exprs()
                    .filter(|(id, _)| self.resolved.use_of(*id) == Use::Type(alias))
                    .map(|(_, expr)| expr.span);
                in_types.chain(values).chain([ast[alias].name.span]).collect()
            }
            Subject::Label(label) => {
                let jumps = self.resolved.jumps.iter().filter(|jump| jump.label == label);
                let names = jumps.map(|jump| jump.goto).chain([label]);
                let name = |stat: StatId| match ast[stat].kind {
                    StatKind::Label(name) | StatKind::Goto(name) => Some(name.span),
                    _ => None,
                };
                names.filter_map(name).collect()
            }
            _ => Vec::new(),
        };
        all.sort();
        all.dedup();
        all
    }
}
