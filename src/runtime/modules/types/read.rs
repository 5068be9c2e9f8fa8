//! Declarations, as a translation writes them, to the table of types.

use std::collections::HashMap;

use regex::bytes::RegexBuilder;

use super::model::ANY;
use super::model::Condition;
use super::model::Field;
use super::model::Id;
use super::model::Node;
use super::model::Types;
use crate::lang::ast::*;
use crate::lang::literal;
use crate::lang::parser::parse;
use crate::lang::resolve::Resolved;
use crate::lang::resolve::TypeUse;
use crate::lang::resolve::resolve;
use crate::lang::translate::UNIQUE;

/// Nodes of one source. Generic types that make ever new ones out of themselves end here, in `any`.
const NODES_MAX: usize = 20_000;
/// Types looked at, in all instances of generic types together; beyond them is `any`.
const STEPS_MAX: usize = 1_000_000;
/// Declarations read because of each other, one inside another. Those further in wait for their turn.
const DECLARATIONS_OPEN: usize = 16;
/// Bytes of a compiled pattern.
const PATTERN_BYTES: usize = 1 << 20;

const BUILTIN: [(&str, Node); 17] = [
    ("any", Node::Any),
    ("unknown", Node::Unknown),
    ("never", Node::Never),
    ("nil", Node::Nil),
    ("boolean", Node::Boolean),
    ("number", Node::Number),
    ("integer", Node::Integer),
    ("string", Node::String),
    ("error", Node::Error),
    ("table", Node::Other("table")),
    ("function", Node::Other("function")),
    ("thread", Node::Other("thread")),
    ("userdata", Node::Other("userdata")),
    ("buffer", Node::Other("buffer")),
    ("vector", Node::Other("vector")),
    ("true", Node::True),
    ("false", Node::False),
];

/// Reads declarations. What is wrong with them, such as a bad pattern, as a text.
pub(super) fn read(source: &str) -> Result<Types, String> {
    let parsed = parse(source);
    if let Some(found) = parsed.diagnostics.first() {
        return Err(found.message.clone());
    }
    let resolved = resolve(&parsed.ast);
    let nodes: Vec<Node> = BUILTIN.into_iter().map(|(_, node)| node).collect();
    let mut reader = Reader {
        ast: &parsed.ast,
        source,
        resolved: &resolved,
        out: Types {
            nodes,
            declared: Vec::new(),
            imports: Vec::new(),
            names: Vec::new(),
            keys: None,
        },
        aliases: HashMap::new(),
        instances: HashMap::new(),
        names: HashMap::new(),
        imports: HashMap::new(),
        params: Vec::new(),
        n_open: 0,
        waiting: Vec::new(),
        n_steps: 0,
        problem: None,
    };
    for (id, _) in parsed.ast.aliases() {
        let node = reader.alias(id);
        reader.out.declared.push(node);
    }
    while let Some(Waiting { place, alias, args }) = reader.waiting.pop() {
        reader.fill(place, alias, args);
    }
    match reader.problem {
        Some(problem) => Err(problem),
        None => Ok(reader.out),
    }
}

struct Reader<'a> {
    ast: &'a Ast,
    source: &'a str,
    resolved: &'a Resolved,
    out: Types,
    aliases: HashMap<AliasId, Id>,
    instances: HashMap<(AliasId, Vec<Id>), Id>,
    names: HashMap<Name, u32>,
    /// Module and name of each import, to its number.
    imports: HashMap<(Name, Name), usize>,
    /// Type parameters and what they stand for, innermost last.
    params: Vec<(Name, Id)>,
    /// Declarations that are being read, one because of another.
    n_open: usize,
    waiting: Vec<Waiting>,
    n_steps: usize,
    problem: Option<String>,
}

/// A node of which is known what it stands for, but not what that is.
struct Waiting {
    place: Id,
    alias: AliasId,
    /// Of a generic type; `None` for its declaration.
    args: Option<Box<[Id]>>,
}

impl Reader<'_> {
    fn node(&mut self, node: Node) -> Id {
        if self.out.nodes.len() >= NODES_MAX {
            return ANY;
        }
        self.out.nodes.push(node);
        self.out.nodes.len() as Id - 1
    }

    fn builtin(name: &str) -> Id {
        BUILTIN.iter().position(|(known, _)| *known == name).map_or(ANY, |at| at as Id)
    }

    /// The name as the program has it.
    fn shown(&self, name: Name) -> Box<str> {
        let text = self.ast.text(name);
        let number =
            text.rsplit_once(UNIQUE).filter(|(_, n)| n.bytes().all(|b| b.is_ascii_digit()));
        number.map_or(text, |(name, _)| name).into()
    }

    /// The node of a declaration; made when it is first asked for.
    fn alias(&mut self, id: AliasId) -> Id {
        if let Some(known) = self.aliases.get(&id) {
            return *known;
        }
        let place = self.node(Node::Any);
        self.aliases.insert(id, place);
        self.open(place, id, None);
        place
    }

    /// Reads what a node stands for, at once or later. If there was no place for it, never.
    fn open(&mut self, place: Id, alias: AliasId, args: Option<Box<[Id]>>) {
        if place == ANY {
            return;
        }
        if self.n_open >= DECLARATIONS_OPEN {
            return self.waiting.push(Waiting { place, alias, args });
        }
        self.n_open += 1;
        self.fill(place, alias, args);
        self.n_open -= 1;
    }

    fn fill(&mut self, place: Id, id: AliasId, args: Option<Box<[Id]>>) {
        let ast = self.ast;
        let alias = ast[id];
        let generics = &ast[alias.generics];
        let name = self.shown(alias.name.name);
        let given = |at: usize| args.as_ref().and_then(|args| args.get(at)).copied();
        let params = generics.iter().enumerate();
        let params = params.map(|(at, g)| (g.name.name, given(at).unwrap_or(ANY))).collect();
        let outer = std::mem::replace(&mut self.params, params);
        let of = self.declared(alias);
        self.params = outer;
        let params = || generics.iter().map(|generic| self.shown(generic.name.name)).collect();
        let node = match args {
            Some(args) => Node::Instantiated { name, args, of },
            None if generics.is_empty() => Node::Named { name, of },
            None => Node::Generic { name, params: params(), of },
        };
        self.out.nodes[place as usize] = node;
    }

    fn declared(&mut self, alias: TypeAlias) -> Id {
        let own = self.ty(alias.ty);
        if alias.bases.is_empty() {
            return own;
        }
        let bases = self.types(alias.bases).into_iter();
        let parts = bases.chain([own]).collect();
        self.node(Node::Intersection(parts))
    }

    fn instance(&mut self, id: AliasId, mut args: Vec<Id>) -> Id {
        let alias = self.ast[id];
        let generics = &self.ast[alias.generics];
        args.truncate(generics.len());
        let outer = std::mem::take(&mut self.params);
        for (at, generic) in generics.iter().enumerate() {
            if at == args.len() {
                let default = generic.default.map_or(ANY, |default| self.ty(default));
                args.push(default);
            }
            self.params.push((generic.name.name, args[at]));
        }
        self.params = outer;
        let key = (id, args);
        if let Some(known) = self.instances.get(&key) {
            return *known;
        }
        let place = self.node(Node::Any);
        let args = key.1.clone().into_boxed_slice();
        self.instances.insert(key, place);
        self.open(place, id, Some(args));
        place
    }

    fn types(&mut self, types: List<TypeId>) -> Vec<Id> {
        self.ast[types].iter().map(|ty| self.ty(*ty)).collect()
    }

    fn ty(&mut self, id: TypeId) -> Id {
        self.n_steps += 1;
        if self.n_steps > STEPS_MAX {
            return ANY;
        }
        let Type { span, kind } = self.ast[id];
        let text = span.text(self.source);
        match kind {
            TypeKind::Name { prefix: Some(module), name, .. } => {
                let key = (module.name, name.name);
                let at = self.imports.get(&key).copied().unwrap_or_else(|| {
                    let text = |name| self.ast.text(name).to_owned();
                    self.out.imports.push((text(module.name), text(name.name)));
                    self.imports.insert(key, self.out.imports.len() - 1);
                    self.out.imports.len() - 1
                });
                self.node(Node::Import(at))
            }
            TypeKind::Name { name, args, .. } => match self.resolved.type_use(id) {
                TypeUse::Alias(alias) if self.ast[alias].generics.is_empty() => self.alias(alias),
                TypeUse::Alias(alias) => {
                    let args = self.types(args);
                    self.instance(alias, args)
                }
                TypeUse::Parameter => {
                    let param = self.params.iter().rev().find(|(param, _)| *param == name.name);
                    param.map_or(ANY, |(_, id)| *id)
                }
                _ => Self::builtin(self.ast.text(name.name)),
            },
            TypeKind::Nil => Self::builtin("nil"),
            TypeKind::Bool(value) => Self::builtin(if value { "true" } else { "false" }),
            TypeKind::String => self.node(Node::Text(literal::string(text).into())),
            TypeKind::Number => {
                let value = number(text);
                self.node(Node::Literal(value))
            }
            TypeKind::Optional(inner) => {
                let inner = self.ty(inner);
                match self.out.nodes[inner as usize] {
                    Node::Optional(_) => inner,
                    _ => self.node(Node::Optional(inner)),
                }
            }
            TypeKind::Union(parts) => {
                let parts = self.types(parts);
                self.union(parts)
            }
            TypeKind::Intersection(parts) => {
                let parts = self.types(parts).into();
                self.node(Node::Intersection(parts))
            }
            TypeKind::Pack(parts) => {
                let parts = self.types(parts).into();
                self.node(Node::Tuple(parts))
            }
            TypeKind::Paren(inner) | TypeKind::Readonly(inner) | TypeKind::Variadic(inner) => {
                self.ty(inner)
            }
            TypeKind::Array { element, .. } => {
                let element = self.ty(element);
                self.node(Node::Array(element))
            }
            TypeKind::Record { fields, .. } => self.record(fields),
            TypeKind::Function(function) => self.function(function),
            TypeKind::Keyof(ty) => {
                let ty = self.ty(ty);
                self.keys(ty)
            }
            TypeKind::Index { object, key } => {
                let (object, key) = (self.ty(object), self.ty(key));
                self.field_type(object, key)
            }
            TypeKind::Validated { ty, validators } => self.validated(ty, validators),
            // `A extends B ? C : D` would be decided before all types are known.
            TypeKind::Conditional { .. }
            | TypeKind::Asserts { .. }
            | TypeKind::Typeof(_)
            | TypeKind::GenericPack(_)
            | TypeKind::Error => ANY,
        }
    }

    /// Unions in it become part of it.
    fn union(&mut self, parts: Vec<Id>) -> Id {
        let mut flat = Vec::new();
        for part in parts {
            match &self.out.nodes[part as usize] {
                Node::Union(inner) => flat.extend_from_slice(inner),
                _ => flat.push(part),
            }
        }
        let mut seen = Vec::new();
        flat.retain(|part| {
            let new = !seen.contains(part);
            if seen.len() < 64 {
                seen.push(*part);
            }
            new
        });
        self.node(Node::Union(flat.into()))
    }

    fn record(&mut self, fields: List<TypeField>) -> Id {
        let (mut named, mut rest) = (Vec::new(), None);
        for field in &self.ast[fields] {
            let ty = self.ty(field.ty);
            let name: Box<str> = match field.key {
                TypeKey::Type(key) => {
                    rest = Some((self.ty(key), ty));
                    continue;
                }
                TypeKey::Name(name) | TypeKey::Method(name) => self.ast.text(name.name).into(),
                TypeKey::String(span) => {
                    let bytes = literal::string(span.text(self.source));
                    String::from_utf8_lossy(&bytes).into()
                }
            };
            let key = match field.key {
                TypeKey::Name(ident) | TypeKey::Method(ident) => Some(ident.name),
                _ => None,
            };
            let known = key.and_then(|key| self.names.get(&key).copied());
            let at = known.unwrap_or_else(|| {
                self.out.names.push(name.clone());
                self.out.names.len() as u32 - 1
            });
            key.map(|key| self.names.insert(key, at));
            named.push(Field { name, optional: field.optional, ty, key: at });
        }
        self.node(match rest {
            Some((key, value)) if named.is_empty() => Node::Map(key, value),
            _ => Node::Record { fields: named.into(), rest },
        })
    }

    fn function(&mut self, id: FunctionTypeId) -> Id {
        let function = self.ast[id];
        let mark = self.params.len();
        for generic in &self.ast[function.generics] {
            self.params.push((generic.name.name, ANY));
        }
        let (mut params, mut rest) = (Vec::new(), None);
        for param in &self.ast[function.params] {
            let ty = self.ty(param.ty);
            match self.ast[param.ty].kind {
                TypeKind::Variadic(_) | TypeKind::GenericPack(_) => rest = Some(ty),
                _ => {
                    let ty = match param.optional {
                        true => self.node(Node::Optional(ty)),
                        false => ty,
                    };
                    params.push(ty);
                }
            }
        }
        let result = function.result.map(|result| self.ty(result));
        self.params.truncate(mark);
        self.node(Node::Function { params: params.into(), rest, result })
    }

    /// What is behind names that are known by now.
    fn plain(&self, mut id: Id) -> Id {
        for _ in 0..super::DEPTH_MAX {
            id = match &self.out.nodes[id as usize] {
                Node::Named { of, .. }
                | Node::Instantiated { of, .. }
                | Node::Validated(of, _)
                | Node::Optional(of) => *of,
                _ => return id,
            };
        }
        ANY
    }

    fn keys(&mut self, ty: Id) -> Id {
        let ty = self.plain(ty);
        let parts = match &self.out.nodes[ty as usize] {
            Node::Map(key, _) => return *key,
            Node::Intersection(parts) => parts.to_vec(),
            _ => vec![ty],
        };
        let mut names: Vec<Box<[u8]>> = Vec::new();
        for part in parts {
            match &self.out.nodes[self.plain(part) as usize] {
                Node::Record { fields, rest: None } => {
                    names.extend(fields.iter().map(|field| Box::from(field.name.as_bytes())));
                }
                _ => return ANY,
            }
        }
        let parts = names.into_iter().map(|name| self.node(Node::Text(name))).collect();
        self.node(Node::Union(parts))
    }

    fn field_type(&mut self, object: Id, key: Id) -> Id {
        match (&self.out.nodes[self.plain(object) as usize], &self.out.nodes[key as usize]) {
            (Node::Map(_, value), _) => *value,
            (Node::Array(element), _) => *element,
            (Node::Record { fields, .. }, Node::Text(name)) => {
                let found = fields.iter().find(|field| field.name.as_bytes() == &**name);
                found.map_or(ANY, |field| field.ty)
            }
            _ => ANY,
        }
    }

    fn validated(&mut self, ty: TypeId, validators: List<Validator>) -> Id {
        let ty = self.ty(ty);
        let mut found = Vec::new();
        for validator in &self.ast[validators] {
            let Some(arg) = self.ast[validator.args].first() else { continue };
            let text = self.ast[*arg].span.text(self.source);
            let name = self.ast.text(validator.name.name);
            let number = || number(text);
            found.push(match name {
                "min" => Condition::Min(number()),
                "max" => Condition::Max(number()),
                "min_len" => Condition::MinLen(number()),
                "max_len" => Condition::MaxLen(number()),
                "pattern" => {
                    let pattern = literal::string(text);
                    let pattern = String::from_utf8_lossy(&pattern);
                    match RegexBuilder::new(&pattern).size_limit(PATTERN_BYTES).build() {
                        Ok(pattern) => Condition::Pattern(Box::new(pattern)),
                        Err(_) => {
                            let problem =
                                format!("@pattern has no regular expression: {pattern:?}");
                            self.problem.get_or_insert(problem);
                            continue;
                        }
                    }
                }
                _ => continue,
            });
        }
        match found.is_empty() {
            true => ty,
            false => self.node(Node::Validated(ty, found.into())),
        }
    }
}

/// A number, perhaps with a minus.
fn number(text: &str) -> f64 {
    match text.strip_prefix('-') {
        Some(rest) => -literal::number(rest.trim_start()).unwrap_or(f64::NAN),
        None => literal::number(text).unwrap_or(f64::NAN),
    }
}
