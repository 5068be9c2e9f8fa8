//! Calls.

use super::Checker;
use super::DEPTH;
use super::Rest;
use super::Value;
use super::Values;
use super::codes;
use super::expr::Want;
use crate::lang::ast::*;
use crate::lang::resolve::Use;
use crate::lang::types::Kind;
use crate::lang::types::Param;
use crate::lang::types::Results;
use crate::lang::types::Signature;
use crate::lang::types::Ty;

impl Checker<'_> {
    /// What a call gives, and whether that is sure.
    pub(super) fn call(
        &mut self,
        id: ExprId,
        callee: ExprId,
        args: List<ExprId>,
    ) -> (Results, bool) {
        if self.depth > DEPTH {
            return (Results::Unknown, false);
        }
        match self.ast[callee].kind {
            ExprKind::Name(name) if self.resolved.use_of(callee) == Use::Global => {
                match self.ast.text(name) {
                    "assert" => return self.assert(args),
                    "require" => return self.require(id, args),
                    "setmetatable" => {
                        self.arguments(args);
                        return (Results::Unknown, false);
                    }
                    _ => {}
                }
            }
            ExprKind::Method { object, name, .. } => {
                return self.method_call(id, object, name, args);
            }
            _ => {}
        }
        let value = self.infer(callee);
        self.call_value(id, value, callee, args)
    }

    fn call_value(
        &mut self,
        id: ExprId,
        value: Value,
        callee: ExprId,
        args: List<ExprId>,
    ) -> (Results, bool) {
        let ty = self.types.without_nil(value.ty);
        let ty = self.types.resolve(ty);
        match self.types.kind(ty) {
            Kind::Signature(signature) => {
                let signature = (**signature).clone();
                let results = self.apply(id, &signature, 0, args, value.host);
                return (results, !value.host);
            }
            Kind::Class(_) => {
                let call = self.types.sym("__call");
                if let Some(field) = self.types.field(ty, call)
                    && let Kind::Signature(signature) = self.types.kind(field.ty)
                {
                    let signature = (**signature).clone();
                    return (self.apply(id, &signature, 0, args, true), false);
                }
            }
            _ => {}
        }
        if let Some(name @ ("number" | "string" | "boolean")) = self.types.type_name(ty) {
            let message = format!("a {name} cannot be called");
            self.report(codes::NOT_CALLABLE, self.ast[callee].span, message);
        }
        self.arguments(args);
        (Results::Unknown, false)
    }

    fn method_call(
        &mut self,
        id: ExprId,
        object: ExprId,
        name: Ident,
        args: List<ExprId>,
    ) -> (Results, bool) {
        let value = self.infer(object);
        let ty = self.types.without_nil(value.ty);
        let ty = self.types.resolve(ty);
        let sym = self.sym(name.name);
        let is_string = self.types.type_name(ty) == Some("string");
        let (holder, host) = match self.types.kind(ty) {
            Kind::Record(_) | Kind::Intersection(_) => (Some(ty), false),
            Kind::Class(_) => (Some(ty), true),
            _ if is_string => (self.library.string_class(), true),
            Kind::Error => (self.library.host_type("errors", "Error"), true),
            _ => (None, false),
        };
        let field = holder.and_then(|holder| self.types.field(holder, sym));
        let Some(field) = field else {
            self.field(value, name);
            self.arguments(args);
            return (Results::Unknown, false);
        };
        let Some(signature) = self.signature_in(field.ty) else {
            self.arguments(args);
            return (Results::Unknown, false);
        };
        let skip = usize::from(!field.method);
        (self.apply(id, &signature, skip, args, host), !host)
    }

    /// Arguments of what nothing is known about.
    fn arguments(&mut self, args: List<ExprId>) {
        let ast = self.ast;
        for arg in &ast[args] {
            self.infer(*arg);
            self.touch(*arg);
        }
    }

    /// Checks arguments, the first parameters left out, and tells the results.
    fn apply(
        &mut self,
        id: ExprId,
        signature: &Signature,
        skip: usize,
        args: List<ExprId>,
        host: bool,
    ) -> Results {
        let ast = self.ast;
        let list = &ast[args];
        let params = signature.params.get(skip..).unwrap_or_default();
        let mut given: Vec<(Ty, Ty)> = Vec::new();
        for (n, arg) in list.iter().enumerate() {
            let is_last = n + 1 == list.len();
            let several = self.is_several(*arg);
            if is_last && several {
                let mut values = Values { known: Default::default(), rest: Rest::None };
                self.infer_last(*arg, &mut values);
                let rest = params.get(n..).unwrap_or_default();
                for (param, value) in rest.iter().zip(values.known) {
                    if !self.fit(lenient(value, host), ast[*arg].span, want(param, host)) {
                        break;
                    }
                }
                continue;
            }
            let rest = signature.rest.map(|ty| Param { name: None, ty, optional: true });
            let Some(param) = params.get(n).copied().or(rest) else {
                self.infer(*arg);
                self.touch(*arg);
                continue;
            };
            if signature.generic {
                let value = self.infer(*arg);
                self.unify(param.ty, value.ty, &mut given, 0);
                let bound = match self.types.kind(param.ty) {
                    Kind::Parameter(_, _, Some(bound)) => *bound,
                    _ => param.ty,
                };
                let want = Want { ty: bound, ..want(&param, host) };
                self.fit(lenient(value, host), ast[*arg].span, want);
            } else if host {
                let value = self.infer(*arg);
                self.fit(lenient(value, host), ast[*arg].span, want(&param, host));
            } else {
                self.check(*arg, want(&param, host));
            }
            self.touch(*arg);
        }
        self.count(id, signature, params, list, host);
        match &signature.results {
            Results::Known(types, rest) if !given.is_empty() => {
                let mut with = |ty: &Ty| {
                    self.types.refuel();
                    self.types.substitute(*ty, &given, 0)
                };
                Results::Known(types.iter().map(&mut with).collect(), rest.as_ref().map(&mut with))
            }
            known => known.clone(),
        }
    }

    fn count(
        &mut self,
        id: ExprId,
        signature: &Signature,
        params: &[Param],
        args: &[ExprId],
        host: bool,
    ) {
        let code = if host { codes::HOST_ARGUMENT } else { codes::ARGUMENT_COUNT };
        // The last argument may be any number of values.
        let open_end = args.last().is_some_and(|last| self.is_several(*last));
        let least = params.iter().rposition(|param| !param.optional).map_or(0, |last| last + 1);
        let sure = args.len() - usize::from(open_end);
        let (span, limit) = if sure > params.len() && signature.rest.is_none() && !signature.loose {
            let extra = self.ast[args[params.len()]].span;
            (extra.to(self.ast[args[args.len() - 1]].span), ("many", params.len(), "at most"))
        } else if sure < least && !open_end {
            (self.ast[id].span, ("few", least, "at least"))
        } else {
            return;
        };
        let (word, n, bound) = limit;
        let bound = if least == params.len() && signature.rest.is_none() { "" } else { bound };
        let space = if bound.is_empty() { "" } else { " " };
        let message = format!("too {word} arguments: expected {bound}{space}{n}, got {sure}");
        self.report(code, span, message);
    }

    /// Finds out what type parameters stand for.
    fn unify(&mut self, param: Ty, arg: Ty, given: &mut Vec<(Ty, Ty)>, depth: u32) {
        if depth > 4 {
            return;
        }
        let inner = self.types.resolve(arg);
        match (self.types.kind(param), self.types.kind(inner)) {
            (Kind::Parameter(..), _) => {
                let widened = self.types.widen(arg);
                match given.iter_mut().find(|(known, _)| *known == param) {
                    Some((_, known)) if *known != widened => *known = Ty::ANY,
                    Some(_) => {}
                    None => given.push((param, widened)),
                }
            }
            (Kind::Array(a), Kind::Array(b)) => {
                let (a, b) = (*a, *b);
                self.unify(a, b, given, depth + 1);
            }
            (Kind::Map(k, v), Kind::Map(l, w)) => {
                let (k, v, l, w) = (*k, *v, *l, *w);
                self.unify(k, l, given, depth + 1);
                self.unify(v, w, given, depth + 1);
            }
            (Kind::Alias(a, of), _) => {
                let (a, of) = (*a, of.clone());
                if let Kind::Alias(b, with) = self.types.kind(arg)
                    && a == *b
                {
                    for (of, with) in of.iter().zip(with.clone()) {
                        self.unify(*of, with, given, depth + 1);
                    }
                }
            }
            (Kind::Union(parts), _) if parts.contains(&Ty::NIL) => {
                let (inner, arg) = (self.types.without_nil(param), self.types.without_nil(arg));
                self.unify(inner, arg, given, depth + 1);
            }
            _ => {}
        }
    }

    /// `assert(x, ...)`: what follows may rely on `x`.
    fn assert(&mut self, args: List<ExprId>) -> (Results, bool) {
        let ast = self.ast;
        let list = &ast[args];
        let Some((first, others)) = list.split_first() else { return (Results::Unknown, false) };
        self.testing += 1;
        let value = self.infer(*first);
        self.testing -= 1;
        for other in others {
            self.infer(*other);
        }
        self.narrow(*first, true);
        let ty = self.types.truthy(value.ty);
        (Results::Known(vec![ty], Some(Ty::ANY)), false)
    }

    /// A module of the entry that nobody has declared.
    fn unknown_but_listed(&self, name: &str) -> bool {
        self.is_listed(name) && self.library.module_name(name).is_none()
    }

    fn require(&mut self, id: ExprId, args: List<ExprId>) -> (Results, bool) {
        let Some(name) = self.required(id) else {
            self.arguments(args);
            return (Results::Unknown, false);
        };
        if self.is_import(&name) || name == "_G" || self.unknown_but_listed(&name) {
            return (Results::Unknown, false);
        }
        if let Some(module) = self.granted(&name) {
            return (Results::Known(vec![module], None), false);
        }
        if self.grants.modules.is_some() {
            let message =
                format!("require({name:?}) is not declared in _index.yaml imports or modules");
            let known = self.library.module_name(&name).is_some();
            if let Some(found) = self.report(codes::REQUIRE, self.ast[id].span, message) {
                found.help = known.then(|| format!("add '{name}' to the modules of the entry"));
            }
        }
        (Results::Unknown, false)
    }
}

fn want(param: &Param, host: bool) -> Want {
    let code = if host { codes::HOST_ARGUMENT } else { codes::ARGUMENT };
    Want { ty: param.ty, code, declared: None }
}

fn lenient(value: Value, host: bool) -> Value {
    Value { sure: value.sure && !host, ..value }
}
