//! What host modules offer: their declarations, in the dialect itself.
//!
//! A file per module. `interface NAME ... end` with the module's own name declares its table (or
//! `type NAME = T` what it is); other interfaces are sorts of host objects, known to users as
//! `NAME.Sort`. The file `_G` declares globals. Comments above a member are its documentation.
//!
//! ```lua
//! --- Instants and waiting.
//! interface time
//!   --- The current instant in the local zone.
//!   function now(): Time
//!   HOUR: number
//! end
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use super::Checker;
use super::Grants;
use super::lower;
use crate::lang::ast::*;
use crate::lang::parser::Parsed;
use crate::lang::parser::parse;
use crate::lang::resolve::Resolved;
use crate::lang::resolve::resolve;
use crate::lang::types::Kind;
use crate::lang::types::Ty;
use crate::lang::types::Types;

/// The declaration of a module.
#[derive(Clone, Copy, Debug)]
pub struct Declaration {
    /// The module.
    pub name: &'static str,
    /// Does everybody have it?
    pub ambient: bool,
    /// The text of the declaration.
    pub source: &'static str,
}

/// The name of the declaration of globals.
pub const GLOBALS: &str = "_G";

/// All that host modules offer.
#[derive(Debug)]
pub struct Library {
    pub(super) types: Arc<Types>,
    /// The class of globals.
    pub(super) globals: Ty,
    modules: Vec<Module>,
    named: HashMap<(&'static str, String), Ty>,
    members: Vec<Member>,
    /// The comments above modules and sorts of objects, by the names that users know.
    docs: HashMap<String, String>,
}

#[derive(Debug)]
struct Module {
    name: &'static str,
    ambient: bool,
    ty: Ty,
}

/// Something that a module or a host object has.
#[derive(Clone, Debug)]
pub struct Member {
    /// The module that declares it.
    pub module: &'static str,
    /// The sort of objects that has it; `None` for the module itself.
    pub class: Option<String>,
    /// Its name.
    pub name: String,
    /// Is it a function?
    pub function: bool,
    /// Its type, as users read it.
    pub shown: String,
    /// The comment above it.
    pub doc: String,
}

impl Library {
    /// Reads declarations; what is wrong with them comes second.
    pub fn new(declarations: &[Declaration]) -> (Library, Vec<String>) {
        let mut types = Types::new();
        let mut problems = Vec::new();
        let mut library = Library {
            types: Arc::new(Types::new()),
            globals: Ty::ANY,
            modules: Vec::new(),
            named: HashMap::new(),
            members: Vec::new(),
            docs: HashMap::new(),
        };
        let parsed: Vec<(Parsed, Resolved)> = declarations
            .iter()
            .map(|declaration| {
                let parsed = parse(declaration.source);
                let resolved = resolve(&parsed.ast);
                (parsed, resolved)
            })
            .collect();
        let mut named = Vec::new();
        for (declaration, (parsed, _)) in declarations.iter().zip(&parsed) {
            for found in &parsed.diagnostics {
                let (line, column) = parsed.ast.lines.position(found.span.start);
                problems.push(format!("{}:{line}:{column} {}", declaration.name, found.message));
            }
            named.push(library.name(declaration, &parsed.ast, &mut types));
        }
        for ((declaration, (parsed, resolved)), names) in
            declarations.iter().zip(&parsed).zip(named)
        {
            let ast = &parsed.ast;
            let source = declaration.source;
            let mut checker =
                Checker::new(ast, resolved, source, &library, Grants::default(), types);
            checker.declaring = true;
            checker.alias_types = names.iter().copied().map(Some).collect();
            let (mut members, mut docs) = (Vec::new(), Vec::new());
            for ((id, alias), ty) in ast.aliases().zip(&names) {
                checker.fill(declaration, id, *ty);
                let doc = doc_above(ast, source, alias.span.start);
                docs.push((shown_name(declaration, ast.text(alias.name.name)), doc));
                members.extend(checker.members(declaration, alias, *ty));
                problems.extend(checker.unknown_names(declaration));
            }
            types = checker.types;
            library.members.extend(members);
            library.docs.extend(docs);
        }
        library.types = Arc::new(types);
        problems.sort();
        problems.dedup();
        (library, problems)
    }

    /// Gives every declared type of a file its number.
    fn name(&mut self, declaration: &Declaration, ast: &Ast, types: &mut Types) -> Vec<Ty> {
        let mut all = Vec::new();
        for (_, alias) in ast.aliases() {
            let text = ast.text(alias.name.name);
            let is_module = text == declaration.name;
            let shown = shown_name(declaration, text);
            let ty = if alias.interface {
                let class = types.add_class(&shown, is_module);
                types.make(Kind::Class(class))
            } else {
                let alias = types.add_alias(&shown);
                types.make(Kind::Alias(alias, Box::default()))
            };
            if is_module && text == GLOBALS {
                self.globals = ty;
            } else if is_module {
                let Declaration { name, ambient, .. } = *declaration;
                self.modules.push(Module { name, ambient, ty });
            } else {
                self.named.insert((declaration.name, text.to_owned()), ty);
            }
            all.push(ty);
        }
        all
    }

    /// A type by the names of its module and its own.
    pub fn host_type(&self, module: &str, name: &str) -> Option<Ty> {
        let (module, _) = self.module_entry(module)?;
        self.named.get(&(module, name.to_owned())).copied()
    }

    fn module_entry(&self, name: &str) -> Option<(&'static str, &Module)> {
        let module = self.modules.iter().find(|module| module.name == name)?;
        Some((module.name, module))
    }

    /// The module's name, if there is such a module.
    pub fn module_name(&self, name: &str) -> Option<&'static str> {
        self.module_entry(name).map(|(name, _)| name)
    }

    /// Is there such a module for an entry that lists these?
    pub fn has(&self, name: &str, listed: &[&str]) -> bool {
        self.module(name, listed.contains(&name)).is_some()
    }

    /// The type of a module that everybody has, or that is `listed`.
    pub(super) fn module(&self, name: &str, listed: bool) -> Option<Ty> {
        let (_, module) = self.module_entry(name)?;
        (module.ambient || listed).then_some(module.ty)
    }

    /// What methods of strings are found in.
    pub(super) fn string_class(&self) -> Option<Ty> {
        self.module("string", true)
    }

    /// Names of globals and modules.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let globals = self.members.iter().filter(|member| member.module == GLOBALS);
        let globals = globals.map(|member| member.name.as_str());
        globals.chain(self.modules.iter().map(|module| module.name))
    }

    /// The type of a module, whoever has it.
    pub fn module_type(&self, name: &str) -> Option<Ty> {
        self.module(name, true)
    }

    /// The class of globals.
    pub fn globals(&self) -> Ty {
        self.globals
    }

    /// All modules, and whether everybody has them.
    pub fn modules(&self) -> impl Iterator<Item = (&'static str, bool)> {
        self.modules.iter().map(|module| (module.name, module.ambient))
    }

    /// Names of the sorts of objects that a module declares.
    pub fn host_types(&self, module: &str) -> impl Iterator<Item = &str> {
        self.named.keys().filter(move |(of, _)| *of == module).map(|(_, name)| name.as_str())
    }

    /// What the comment above a module, or above `module.Sort`, says.
    pub fn doc(&self, name: &str) -> &str {
        self.docs.get(name).map(String::as_str).unwrap_or_default()
    }

    /// A member of a module, or of the objects `module.Sort`.
    pub fn member(&self, owner: &str, name: &str) -> Option<&Member> {
        let (module, class) = match owner.split_once('.') {
            Some((module, class)) => (module, Some(class)),
            None => (owner, None),
        };
        self.members.iter().find(|member| {
            member.module == module && member.class.as_deref() == class && member.name == name
        })
    }

    /// All that modules and host objects have, in the order of the declarations.
    pub fn members(&self) -> &[Member] {
        &self.members
    }
}

/// The name by which users know a declared type.
fn shown_name(declaration: &Declaration, own: &str) -> String {
    match own == declaration.name {
        true => own.to_owned(),
        false => format!("{}.{own}", declaration.name),
    }
}

/// The text of the comments right above a place, without dashes and brackets.
pub(in crate::lang) fn doc_above(ast: &Ast, source: &str, at: u32) -> String {
    let lines = ast.doc_comments(at).iter().map(|comment| {
        let text = comment.span.text(source).trim_start_matches('-');
        let open = text.strip_prefix('[').map(|rest| rest.trim_start_matches('='));
        match open.and_then(|rest| rest.strip_prefix('[')).filter(|_| comment.block) {
            Some(inner) => inner.trim_end_matches(['-', ']', '=']).trim(),
            None => text.trim(),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

impl Checker<'_> {
    /// Fills in one declared type.
    fn fill(&mut self, declaration: &Declaration, id: AliasId, ty: Ty) {
        let alias = self.ast[id];
        let body = self.ty(alias.ty);
        let ast = self.ast;
        let bases: Vec<Ty> = ast[alias.bases].iter().map(|base| self.ty(*base)).collect();
        match self.types.kind(ty) {
            Kind::Class(class) => {
                let class = *class;
                let mut fields = match self.types.kind(body) {
                    Kind::Record(fields) => fields.to_vec(),
                    _ => Vec::new(),
                };
                let is_module = ast.text(alias.name.name) == declaration.name;
                for field in &mut fields {
                    // Functions of a module are called with a dot.
                    field.method &= !is_module;
                }
                let known = self.types.class_mut(class);
                (known.fields, known.bases) = (fields, bases);
            }
            Kind::Alias(number, _) => {
                let number = *number;
                self.types.alias_mut(number).body = body;
            }
            _ => {}
        }
    }

    fn members(&mut self, declaration: &Declaration, alias: &TypeAlias, ty: Ty) -> Vec<Member> {
        let ast = self.ast;
        let TypeKind::Record { fields, .. } = ast[alias.ty].kind else { return Vec::new() };
        let own = ast.text(alias.name.name);
        let class = (own != declaration.name).then(|| own.to_owned());
        let mut members = Vec::new();
        for field in &ast[fields] {
            let (TypeKey::Name(name) | TypeKey::Method(name)) = field.key else { continue };
            let sym = self.sym(name.name);
            let Some(known) = self.types.field(ty, sym) else { continue };
            members.push(Member {
                module: declaration.name,
                class: class.clone(),
                name: ast.text(name.name).to_owned(),
                function: matches!(self.types.kind(known.ty), Kind::Signature(_)),
                shown: self.types.show(known.ty),
                doc: doc_above(ast, self.source, field.span.start),
            });
        }
        members
    }

    /// Names of types that nothing declares.
    fn unknown_names(&self, declaration: &Declaration) -> Vec<String> {
        let mut problems = Vec::new();
        for (id, ty) in self.ast.types() {
            let TypeKind::Name { prefix, name, .. } = ty.kind else { continue };
            let text = self.ast.text(name.name);
            let known = match prefix {
                Some(prefix) => self.library.host_type(self.ast.text(prefix.name), text).is_some(),
                None => {
                    lower::builtin(text).is_some()
                        || self.resolved.type_use(id) != crate::lang::resolve::TypeUse::Unknown
                }
            };
            if !known {
                problems.push(format!("{}: no type {text:?}", declaration.name));
            }
        }
        problems
    }
}
