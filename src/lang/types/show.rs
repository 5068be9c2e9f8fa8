//! Types in the words of the language.

use super::Kind;
use super::Literal;
use super::Param;
use super::Results;
use super::Signature;
use super::Ty;
use super::Types;

/// How much of a type is shown.
const SHOWN_DEPTH: u32 = 4;
const SHOWN_PARTS: usize = 8;
/// Bytes after which a type is cut short, and letters of a name in it.
const SHOWN_BYTES: usize = 1000;
const SHOWN_NAME_CHARS: usize = 100;

impl Types {
    /// A type as it would be written, deep parts left out.
    pub fn show(&self, ty: Ty) -> String {
        let mut out = String::new();
        self.write(ty, 0, &mut out);
        out
    }

    fn write(&self, ty: Ty, depth: u32, out: &mut String) {
        if depth > SHOWN_DEPTH || out.len() > SHOWN_BYTES {
            return out.push_str("...");
        }
        let plain = match self.kind(ty) {
            Kind::Any => "any",
            Kind::Unknown => "unknown",
            Kind::Never => "never",
            Kind::Error => "error",
            Kind::Nil => "nil",
            Kind::Boolean => "boolean",
            Kind::Number => "number",
            Kind::Integer => "integer",
            Kind::String => "string",
            Kind::Table => "table",
            Kind::Function => "function",
            Kind::Thread => "thread",
            Kind::Userdata => "userdata",
            Kind::Literal(Literal::Bool(true)) => "true",
            Kind::Literal(Literal::Bool(false)) => "false",
            _ => return self.write_composed(ty, depth, out),
        };
        out.push_str(plain);
    }

    fn write_composed(&self, ty: Ty, depth: u32, out: &mut String) {
        match self.kind(ty) {
            Kind::Literal(Literal::Number(bits)) => {
                out.push_str(&f64::from_bits(*bits).to_string())
            }
            Kind::Literal(Literal::String(text)) => {
                out.push_str(&format!("{:?}", short(self.text(*text))))
            }
            Kind::Union(parts) => self.write_union(parts, depth, out),
            Kind::Intersection(parts) => self.write_list(parts, " & ", depth, out),
            Kind::Array(element) => {
                out.push('{');
                self.write(*element, depth + 1, out);
                out.push('}');
            }
            Kind::Map(key, value) => {
                out.push_str("{[");
                self.write(*key, depth + 1, out);
                out.push_str("]: ");
                self.write(*value, depth + 1, out);
                out.push('}');
            }
            Kind::Record(fields) => {
                out.push('{');
                for (n, field) in fields.iter().enumerate() {
                    out.push_str(if n == 0 { "" } else { ", " });
                    if n == SHOWN_PARTS {
                        out.push_str("...");
                        break;
                    }
                    out.push_str(short(self.text(field.name)));
                    out.push_str(if field.optional { "?: " } else { ": " });
                    self.write(field.ty, depth + 1, out);
                }
                out.push('}');
            }
            Kind::Signature(signature) => self.write_signature(signature, depth, out),
            Kind::Class(class) => {
                let class = self.class(*class);
                out.push_str(if class.module { "module " } else { "" });
                out.push_str(self.text(class.name));
            }
            Kind::Alias(alias, args) => {
                out.push_str(short(self.text(self.alias(*alias).name)));
                if !args.is_empty() {
                    out.push('<');
                    self.write_list(args, ", ", depth, out);
                    out.push('>');
                }
            }
            Kind::Parameter(_, name, _) => out.push_str(short(self.text(*name))),
            _ => {}
        }
    }

    fn write_union(&self, parts: &[Ty], depth: u32, out: &mut String) {
        let others: Vec<Ty> = parts.iter().copied().filter(|part| *part != Ty::NIL).collect();
        let optional = others.len() < parts.len();
        let brackets = optional
            && (others.len() > 1
                || others.iter().any(|ty| matches!(self.kind(*ty), Kind::Signature(_))));
        out.push_str(if brackets { "(" } else { "" });
        self.write_list(&others, " | ", depth, out);
        out.push_str(if brackets { ")" } else { "" });
        out.push_str(if optional { "?" } else { "" });
    }

    fn write_list(&self, list: &[Ty], separator: &str, depth: u32, out: &mut String) {
        for (n, ty) in list.iter().enumerate() {
            out.push_str(if n == 0 { "" } else { separator });
            if n == SHOWN_PARTS {
                return out.push_str("...");
            }
            self.write(*ty, depth + 1, out);
        }
    }

    fn write_signature(&self, signature: &Signature, depth: u32, out: &mut String) {
        out.push('(');
        for (n, Param { name, ty, optional }) in signature.params.iter().enumerate() {
            out.push_str(if n == 0 { "" } else { ", " });
            if let Some(name) = name {
                out.push_str(short(self.text(*name)));
                out.push_str(if *optional { "?: " } else { ": " });
            }
            self.write(*ty, depth + 1, out);
        }
        if let Some(rest) = signature.rest {
            out.push_str(if signature.params.is_empty() { "..." } else { ", ..." });
            self.write(rest, depth + 1, out);
        }
        out.push_str(") -> ");
        match &signature.results {
            Results::Unknown => out.push_str("any"),
            Results::Known(types, None) if types.len() == 1 => self.write(types[0], depth + 1, out),
            Results::Known(types, rest) => {
                out.push('(');
                self.write_list(types, ", ", depth, out);
                if let Some(rest) = rest {
                    out.push_str(if types.is_empty() { "..." } else { ", ..." });
                    self.write(*rest, depth + 1, out);
                }
                out.push(')');
            }
        }
    }
}

/// The beginning of a name that somebody made very long.
fn short(name: &str) -> &str {
    name.char_indices().nth(SHOWN_NAME_CHARS).map_or(name, |(end, _)| &name[..end])
}
