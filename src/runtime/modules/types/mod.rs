//! Type values: declared types of a program, used as values. Specification 02, section 3.2.
//!
//! A translated chunk hands its declarations over as a text (`lang::translate`). A VM reads each text
//! once and makes userdata of it that all its processes share: nothing about them can be changed.
//! Types of modules are the type values found in the modules' tables at the time of use.
//!
//! `read` makes a flat table of nodes, `check` walks it beside a value, with raw access only.
//! Values nested deeper than `DEPTH_MAX`, such as tables that hold themselves, have no recursive
//! type. A type of a module that is not there fits everything.

mod check;
mod model;
mod read;
mod relate;
mod text;

use std::ffi::CStr;
use std::ffi::c_int;
use std::rc::Rc;

use crate::runtime::engine::raw::{State, Tagged, Type as LuaType};
use crate::runtime::engine::{Cx, Raise, Ret, host, set_functions, tags};
use model::{ANY, Id, Node, Scope, Type};

/// How deep values are looked into, and how many names may stand for one another.
const DEPTH_MAX: usize = 64;

/// Declarations that a VM keeps by their text, and sets of modules for each of them. What is in use
/// beyond that is made again.
const DECLARATIONS_MAX: usize = 256;
const BINDINGS_MAX: usize = 64;

/// What stands behind a type value.
pub struct TypeValue(Type);

impl Tagged for TypeValue {
    const TAG: c_int = tags::TYPE;
    const NAME: &'static CStr = c"type";
}

/// The methods; elsewhere they go by their numbers in here.
const METHODS: [&str; 12] = [
    "is", "kind", "name", "elem", "key", "val", "inner", "ret", "fields", "variants", "params",
    "tparams",
];

/// Are the declarations of a program in order?
pub fn verify(declarations: &str) -> Result<(), String> {
    read::read(declarations).map(drop)
}

pub fn register_types(l: State) {
    l.new_table(0, 12);
    set_functions(
        l,
        &[
            (c"__namecall", host(method_call)),
            (c"__index", host(index)),
            (c"__call", host(call)),
            (c"__tostring", host(to_string)),
            (c"__eq", host(|cx: &mut Cx| compare(cx, relate::is_equal))),
            (c"__le", host(|cx: &mut Cx| compare(cx, relate::is_subtype))),
            (
                c"__lt",
                host(|cx: &mut Cx| {
                    compare(cx, |a, b| relate::is_subtype(a, b) && !relate::is_subtype(b, a))
                }),
            ),
        ],
    );
    for field in ["__type", "__metatable"] {
        l.push_str(if field == "__type" { "type" } else { "locked" });
        l.set_field(-2, field);
    }
    l.set_read_only(-1, true);
    l.register::<TypeValue>();
}

/// Adds what translated programs call to the table on top of the stack, and `type`, which knows type
/// values.
pub fn fill(l: State) {
    // Declarations read lately, by their text; and how many they are. No program can get at the table.
    l.new_table(0, 0);
    l.push_number(0.0);
    l.push_closure(host(declare), c"__wippy_types", 2);
    l.set_field(-2, crate::lang::translate::TYPES);
    set_functions(l, &[(c"__wippy_bind", host(bind))]);
    l.get_field(State::GLOBALS, "type");
    l.wrap_function(type_of, c"type");
    l.set_field(-2, "type");
}

/// `type(v)`, where Luau would say `userdata`.
fn type_of(l: State) -> Option<c_int> {
    if l.type_of(1) != LuaType::Userdata || !l.is::<TypeValue>(1) {
        return None;
    }
    l.push_str("type");
    Some(1)
}

// -- making ------------------------------------------------------------------------------------

/// `__wippy_types(declarations, n)`.
fn declare(cx: &mut Cx) -> Ret {
    let l = cx.l;
    let n_used = cx.number(2)? as usize;
    l.push_value(1);
    // Programs can call this too, with fewer types than a source of another process asks for.
    if l.raw_get(State::upvalue(1)) == LuaType::Table && l.raw_len(-1) >= n_used {
        return cx.values(1);
    }
    let mut types = read::read(&cx.string(1)?).map_err(Raise::Message)?;
    l.new_table(types.names.len(), 0);
    for (n, name) in types.names.iter().enumerate() {
        l.push_str(name);
        l.raw_set_index(-2, n + 1);
    }
    types.keys = Some(l.anchor());
    let imports = types.imports.iter().map(|_| None).collect();
    let n = n_used.min(types.declared.len());
    push_all(l, Scope::new(Rc::new(types), imports), n);
    let mut n_known = l.number(State::upvalue(2)).unwrap_or_default();
    if n_known >= DECLARATIONS_MAX as f64 {
        // Whoever uses them has them.
        l.new_table(0, 0);
        l.replace(State::upvalue(1));
        n_known = 0.0;
    }
    l.push_number(n_known + 1.0);
    l.replace(State::upvalue(2));
    l.push_value(1);
    l.push_value(-2);
    l.raw_set(State::upvalue(1));
    cx.values(1)
}

/// Pushes the list of the first types. Processes share it: nobody may put another type in it. Lists for
/// sets of modules will be in it under keys longer than `n`, their number.
fn push_all(l: State, scope: Rc<Scope>, n: usize) {
    l.new_table(n, 1);
    for at in 0..n {
        let id = scope.types.declared.get(at).copied().unwrap_or(ANY);
        l.push_userdata(TypeValue(Type { scope: scope.clone(), id }));
        l.raw_set_index(-2, at + 1);
    }
    l.set_read_only(-1, true);
}

/// `__wippy_bind(types, n, name, module, ...)`: the type with those of the modules in it. Once for
/// each set of them; the list of the types holds what was made.
fn bind(cx: &mut Cx) -> Ret {
    let l = cx.l;
    cx.table(1)?;
    if !l.is_read_only(1) {
        return Err(cx.bad_argument(1, "types expected"));
    }
    let n = cx.number(2)? as usize;
    let top = l.top();
    l.raw_get_index(1, 1);
    let Some(scope) = l.with::<TypeValue, _>(-1, |ty| ty.0.scope.clone()) else {
        return Err(cx.wrong_type(1, "types"));
    };
    let mut imports = Vec::with_capacity(scope.types.imports.len());
    let mut key = Vec::with_capacity(imports.capacity() * 12);
    for (module, name) in &scope.types.imports {
        let named = |at: &c_int| l.bytes(*at) == Some(module.as_bytes());
        let at = (3..top).step_by(2).find(named).map(|at| at + 1);
        let mut found = None;
        if let Some(at) = at.filter(|at| l.type_of(*at) == LuaType::Table) {
            l.get_field(at, name);
            found = l.with::<TypeValue, _>(-1, |ty| ty.0.clone());
            l.pop(1);
        }
        let address = found.as_ref().map_or(0, |ty| Rc::as_ptr(&ty.scope) as usize);
        key.extend(address.to_ne_bytes());
        key.extend(found.as_ref().map_or(0, |ty| ty.id).to_ne_bytes());
        imports.push(found);
    }
    l.push_bytes(&key);
    if l.raw_get(1) != LuaType::Table {
        l.pop(1);
        push_all(l, Scope::new(scope.types.clone(), imports.into()), l.raw_len(1));
        l.get_field(1, "n");
        let n_known = l.number(-1).unwrap_or_default();
        l.pop(1);
        if n_known < BINDINGS_MAX as f64 {
            l.set_read_only(1, false);
            l.push_number(n_known + 1.0);
            l.set_field(1, "n");
            l.push_bytes(&key);
            l.push_value(-2);
            l.raw_set(1);
            l.set_read_only(1, true);
        }
    }
    l.raw_get_index(-1, n);
    cx.values(1)
}

// -- using -------------------------------------------------------------------------------------

fn of(cx: &Cx, index: c_int) -> Result<Type, Raise> {
    let found = cx.l.with::<TypeValue, _>(index, |ty| ty.0.clone());
    found.ok_or_else(|| cx.wrong_type(index.max(1), "type"))
}

/// `T:method(...)`.
fn method_call(cx: &mut Cx) -> Ret {
    let name = cx.l.called_method().unwrap_or_default();
    let ty = of(cx, 1)?;
    match number_of(name) {
        Some(method) => run(cx, method, &ty, 2),
        None => Err(Raise::Message(format!(
            "attempt to call missing method '{}' of type",
            String::from_utf8_lossy(name)
        ))),
    }
}

fn number_of(name: &[u8]) -> Option<usize> {
    METHODS.iter().position(|method| method.as_bytes() == name)
}

/// `T.method`, bound to the type; or the type of a field.
fn index(cx: &mut Cx) -> Ret {
    let l = cx.l;
    let ty = of(cx, 1)?;
    let name = match l.type_of(2) {
        LuaType::String => l.bytes(2).unwrap_or_default(),
        _ => &[],
    };
    if let Some(method) = number_of(name) {
        l.push_value(1);
        l.push_number(method as f64);
        l.push_closure(host(bound), c"method", 2);
        return cx.values(1);
    }
    push_optional(cx, field(&ty, name))
}

fn field(ty: &Type, name: &[u8]) -> Option<Type> {
    let plain = ty.behind();
    let Node::Record { fields, .. } = plain.node() else { return None };
    let field = fields.iter().find(|field| field.name.as_bytes() == name)?;
    Some(plain.at(field.ty))
}

/// What `T.method` is: called with or without the type in front.
fn bound(cx: &mut Cx) -> Ret {
    let l = cx.l;
    let ty = of(cx, State::upvalue(1))?;
    let method = l.number(State::upvalue(2)).unwrap_or_default() as usize;
    let with_self = l.top() > 1 && l.raw_equal(1, State::upvalue(1));
    run(cx, method, &ty, if with_self { 2 } else { 1 })
}

fn run(cx: &mut Cx, method: usize, ty: &Type, value: c_int) -> Ret {
    let l = cx.l;
    match method {
        0 => {
            l.set_top(value);
            match check::check(l, value, ty) {
                Ok(()) => {
                    l.push_nil();
                    cx.values(2)
                }
                Err(failure) => cx.fail(failure.into_error()),
            }
        }
        1 => cx.str(kind(ty)),
        2 => match ty.node() {
            Node::Named { name, .. }
            | Node::Generic { name, .. }
            | Node::Instantiated { name, .. } => cx.str(name),
            Node::Import(n) => cx.str(&ty.scope.types.imports[*n].1),
            _ => push_optional(cx, None),
        },
        3..=7 => push_optional(cx, part(ty, method)),
        _ => iterator(cx, ty, method),
    }
}

fn kind(ty: &Type) -> &'static str {
    match ty.plain().node() {
        Node::Any => "any",
        Node::Unknown | Node::Error | Node::Import(_) | Node::Named { .. } => "unknown",
        Node::Validated(..) => "unknown",
        Node::Never => "never",
        Node::Nil => "nil",
        Node::Boolean | Node::True | Node::False => "boolean",
        Node::Number | Node::Literal(_) => "number",
        Node::Integer => "integer",
        Node::String | Node::Text(_) => "string",
        Node::Other("table") => "map",
        Node::Other("function") => "function",
        Node::Other(_) => "unknown",
        Node::Optional(_) => "optional",
        Node::Union(_) => "union",
        Node::Intersection(_) => "intersection",
        Node::Tuple(_) => "tuple",
        Node::Array(_) => "array",
        Node::Map(..) => "map",
        Node::Record { .. } => "record",
        Node::Function { .. } => "function",
        Node::Generic { .. } => "generic",
        Node::Instantiated { .. } => "instantiated",
    }
}

/// `elem`, `key`, `val`, `inner`, `ret`.
fn part(ty: &Type, method: usize) -> Option<Type> {
    let plain = ty.plain();
    if let (Node::Instantiated { of, .. }, 6) = (plain.node(), method) {
        return Some(plain.at(*of));
    }
    let plain = ty.behind();
    let id = match (plain.node(), method) {
        (Node::Array(element), 3) => *element,
        (Node::Map(key, _) | Node::Record { rest: Some((key, _)), .. }, 4) => *key,
        (Node::Map(_, value) | Node::Record { rest: Some((_, value)), .. }, 5) => *value,
        (Node::Optional(inner), 6) => *inner,
        (Node::Function { result: Some(result), .. }, 7) => *result,
        _ => return None,
    };
    Some(plain.at(id))
}

fn push_type(l: State, ty: Type) {
    l.push_userdata(TypeValue(ty));
}

fn push_optional(cx: &mut Cx, ty: Option<Type>) -> Ret {
    match ty {
        Some(ty) => push_type(cx.l, ty),
        None => cx.l.push_nil(),
    }
    cx.values(1)
}

/// `fields`, `variants`, `params`, `tparams`: a function for `for ... in`, or nil.
fn iterator(cx: &mut Cx, ty: &Type, method: usize) -> Ret {
    let l = cx.l;
    let plain = match method {
        11 => ty.plain(),
        _ => ty.behind(),
    };
    // Pairs of what the loop gets: a name or nothing, and a type.
    let named = |name: &str, id: Id| (Some(name.to_owned()), Some(plain.at(id)));
    let bare = |id: &Id| (None, Some(plain.at(*id)));
    let pairs: Vec<(Option<String>, Option<Type>)> = match (plain.node(), method) {
        (Node::Record { fields, .. }, 8) => {
            fields.iter().map(|field| named(&field.name, field.ty)).collect()
        }
        (Node::Union(parts) | Node::Intersection(parts) | Node::Tuple(parts), 9) => {
            parts.iter().map(bare).collect()
        }
        (Node::Function { params, .. }, 10) => params.iter().map(bare).collect(),
        (Node::Generic { params, .. }, 11) => {
            params.iter().map(|name| (Some(name.to_string()), None)).collect()
        }
        (Node::Instantiated { args, .. }, 11) => args.iter().map(bare).collect(),
        _ => return push_optional(cx, None),
    };
    l.new_table(pairs.len(), 0);
    let n = pairs.len();
    for (at, (name, ty)) in pairs.into_iter().enumerate() {
        l.new_table(2, 0);
        let mut place = 1;
        if let Some(name) = name {
            l.push_str(&name);
            l.raw_set_index(-2, place);
            place += 1;
        }
        if let Some(ty) = ty {
            push_type(l, ty);
            l.raw_set_index(-2, place);
        }
        l.raw_set_index(-2, at + 1);
    }
    debug_assert_eq!(l.raw_len(-1), n);
    l.push_number(0.0);
    l.push_closure(host(next), c"next", 2);
    cx.values(1)
}

/// The next element of an iterator.
fn next(cx: &mut Cx) -> Ret {
    let l = cx.l;
    let n = l.number(State::upvalue(2)).unwrap_or_default() + 1.0;
    if l.raw_get_index(State::upvalue(1), n as usize) != LuaType::Table {
        return cx.values(1);
    }
    l.push_number(n);
    l.replace(State::upvalue(2));
    let pair = l.top();
    l.raw_get_index(pair, 1);
    l.raw_get_index(pair, 2);
    cx.values(2)
}

/// `T(v)`: v, or raises.
fn call(cx: &mut Cx) -> Ret {
    let l = cx.l;
    let ty = of(cx, 1)?;
    let absent = l.top() < 2;
    if absent || check::check(l, 2, &ty).is_err() {
        let got = if absent { "no value" } else { check::type_name(l, 2) };
        return Err(Raise::Message(format!("expected {}, got {got}", text::text_of(&ty))));
    }
    l.set_top(2);
    cx.values(1)
}

fn to_string(cx: &mut Cx) -> Ret {
    cx.str(&text::text_of(&of(cx, 1)?))
}

fn compare(cx: &mut Cx, related: impl Fn(&Type, &Type) -> bool) -> Ret {
    let (Some(a), Some(b)) = (of(cx, 1).ok(), of(cx, 2).ok()) else {
        let (a, b) = (check::type_name(cx.l, 1), check::type_name(cx.l, 2));
        return Err(Raise::Message(format!("attempt to compare {a} and {b}")));
    };
    cx.bool(related(&a, &b))
}
