//! Types as text.

use super::model::{Id, Node, Type};

/// How deep a type is written out.
const DEPTH_SHOWN: u32 = 4;
/// Bytes after which a type is cut short.
const TEXT_MAX: usize = 200;

/// The type's name, or how it is written.
pub(super) fn text_of(ty: &Type) -> String {
    let mut out = String::new();
    write(ty, ty.id, DEPTH_SHOWN, &mut out);
    out
}

fn write(ty: &Type, id: Id, depth: u32, out: &mut String) {
    if depth == 0 || out.len() > TEXT_MAX {
        return out.push_str("...");
    }
    let ty = ty.at(id);
    let list = |parts: &[Id], separator: &str, out: &mut String| {
        for (n, part) in parts.iter().enumerate() {
            if n > 0 {
                out.push_str(separator);
            }
            let inner = ty.at(*part);
            let loose = separator != ", "
                && matches!(
                    inner.node(),
                    Node::Union(_) | Node::Intersection(_) | Node::Function { .. }
                );
            if loose {
                out.push('(');
            }
            write(&ty, *part, depth - 1, out);
            if loose {
                out.push(')');
            }
        }
    };
    match ty.node() {
        Node::Any => out.push_str("any"),
        Node::Unknown => out.push_str("unknown"),
        Node::Never => out.push_str("never"),
        Node::Nil => out.push_str("nil"),
        Node::Boolean => out.push_str("boolean"),
        Node::Number => out.push_str("number"),
        Node::Integer => out.push_str("integer"),
        Node::String => out.push_str("string"),
        Node::Error => out.push_str("error"),
        Node::Other(name) => out.push_str(name),
        Node::True => out.push_str("true"),
        Node::False => out.push_str("false"),
        Node::Text(text) => out.push_str(&format!("{:?}", String::from_utf8_lossy(text))),
        Node::Literal(number) => out.push_str(&number.to_string()),
        Node::Optional(inner) => {
            list(&[*inner], "|", out);
            out.push('?');
        }
        Node::Union(parts) => list(parts, " | ", out),
        Node::Intersection(parts) => list(parts, " & ", out),
        Node::Tuple(parts) => {
            out.push('(');
            list(parts, ", ", out);
            out.push(')');
        }
        Node::Array(element) => {
            out.push('{');
            write(&ty, *element, depth - 1, out);
            out.push('}');
        }
        Node::Map(key, value) => {
            out.push_str("{[");
            write(&ty, *key, depth - 1, out);
            out.push_str("]: ");
            write(&ty, *value, depth - 1, out);
            out.push('}');
        }
        Node::Record { fields, rest } => {
            out.push('{');
            for (n, field) in fields.iter().enumerate() {
                if n > 0 {
                    out.push_str(", ");
                }
                out.push_str(&field.name);
                out.push_str(if field.optional { "?: " } else { ": " });
                write(&ty, field.ty, depth - 1, out);
            }
            if let Some((key, value)) = rest {
                out.push_str(", [");
                write(&ty, *key, depth - 1, out);
                out.push_str("]: ");
                write(&ty, *value, depth - 1, out);
            }
            out.push('}');
        }
        Node::Function { params, rest, result } => {
            out.push('(');
            list(params, ", ", out);
            if let Some(rest) = rest {
                out.push_str(if params.is_empty() { "..." } else { ", ..." });
                write(&ty, *rest, depth - 1, out);
            }
            out.push_str(") -> ");
            match result {
                Some(result) => write(&ty, *result, depth - 1, out),
                None => out.push_str("any"),
            }
        }
        Node::Validated(inner, _) => write(&ty, *inner, depth, out),
        Node::Named { name, .. } | Node::Generic { name, .. } => out.push_str(name),
        Node::Instantiated { name, args, .. } => {
            out.push_str(name);
            out.push('<');
            list(args, ", ", out);
            out.push('>');
        }
        Node::Import(n) => {
            let (module, name) = &ty.scope.types.imports[*n];
            out.push_str(&format!("{module}.{name}"));
        }
    }
}
