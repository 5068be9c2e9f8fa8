//! [`Args`]: what Rust hands to Lua, argument by argument.

use serde::Serialize;

use crate::infra::error::Result;
use crate::infra::transcoder::Value;
use crate::infra::transcoder::typed::to_value;

/// Arguments of a function or a process, or the payloads of a message.
///
/// | Rust | Lua sees |
/// |---|---|
/// | `()` | nothing |
/// | a tuple of up to eight values that serde writes | an argument for each |
/// | a `Vec`, a slice or an array of such | an argument for each |
/// | a text, a number, a flag, a [`Value`], a `serde_json::Value` | that, as the only argument |
///
/// So a list that is one argument, or a type of one's own, is put into a tuple: `(list,)`.
///
/// It is not for others to implement.
pub trait Args: sealed::Sealed {
    /// A value for each.
    ///
    /// # Errors
    /// `Invalid`: one cannot be converted, see [`to_value`](crate::to_value).
    #[doc(hidden)]
    fn into_values(self) -> Result<Vec<Value>>;
}

mod sealed {
    pub trait Sealed {}
}

impl sealed::Sealed for () {}

impl Args for () {
    fn into_values(self) -> Result<Vec<Value>> {
        Ok(Vec::new())
    }
}

macro_rules! tuples {
    ($(($($name:ident)+))+) => {
        $(
            impl<$($name: Serialize),+> sealed::Sealed for ($($name,)+) {}

            impl<$($name: Serialize),+> Args for ($($name,)+) {
                fn into_values(self) -> Result<Vec<Value>> {
                    #[expect(non_snake_case, reason = "named like their types")]
                    let ($($name,)+) = self;
                    Ok(vec![$(to_value(&$name)?),+])
                }
            }
        )+
    };
}

tuples! { (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H) }

fn each<T: Serialize>(items: &[T]) -> Result<Vec<Value>> {
    items.iter().map(to_value).collect()
}

impl<T: Serialize> sealed::Sealed for &[T] {}

impl<T: Serialize> Args for &[T] {
    fn into_values(self) -> Result<Vec<Value>> {
        each(self)
    }
}

impl<T: Serialize, const N: usize> sealed::Sealed for [T; N] {}

impl<T: Serialize, const N: usize> Args for [T; N] {
    fn into_values(self) -> Result<Vec<Value>> {
        each(&self)
    }
}

impl<T: Serialize> sealed::Sealed for Vec<T> {}

impl<T: Serialize> Args for Vec<T> {
    fn into_values(self) -> Result<Vec<Value>> {
        each(&self)
    }
}

macro_rules! single {
    ($($type:ty),*) => {
        $(
            impl sealed::Sealed for $type {}

            impl Args for $type {
                fn into_values(self) -> Result<Vec<Value>> {
                    Ok(vec![to_value(&self)?])
                }
            }
        )*
    };
}

single! { &str, String, bool, i32, i64, u32, u64, f64, serde_json::Value }

impl sealed::Sealed for Value {}

impl Args for Value {
    /// As it is, so that an error stays one.
    fn into_values(self) -> Result<Vec<Value>> {
        Ok(vec![self])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infra::error::Error;

    #[track_caller]
    fn check(args: impl Args, values: &[Value]) {
        assert_eq!(args.into_values().as_deref(), Ok(values));
    }

    #[test]
    fn one_by_one() {
        check((), &[]);
        check("a", &["a".into()]);
        check(7, &[7.into()]);
        check((1, "b", None::<bool>), &[1.into(), "b".into(), Value::Nil]);
        check([1, 2], &[1.into(), 2.into()]);
        check(vec!["a"], &["a".into()]);
        check(([1, 2],), &[Value::List(vec![1.into(), 2.into()])]);
        check(serde_json::json!([1]), &[Value::List(vec![1.into()])]);
        let error = Value::Error(Box::new(Error::invalid("no")));
        check(error.clone(), &[error]);
    }

    #[test]
    fn what_cannot_be_converted_is_an_error() {
        let odd = std::collections::HashMap::from([((1, 2), 3)]);
        assert!((1, odd).into_values().is_err());
    }
}
