//! Futures: methods of what `funcs.async` gives. Specification 01, section 12.

use crate::infra::error::{Error, Kind};
use crate::runtime::engine::future::FutureObject;
use crate::runtime::engine::raw::State;
use crate::runtime::engine::{Cx, Raise, Ret, error, host, register_type};

pub fn register_types(l: State) {
    register_type::<FutureObject>(
        l,
        &[
            (c"response", host(response)),
            (c"channel", host(response)),
            (c"is_complete", host(is_complete)),
            (c"is_canceled", host(is_canceled)),
            (c"result", host(result)),
            (c"error", host(problem)),
            (c"cancel", host(cancel)),
        ],
        &[(c"__tostring", host(text))],
    );
}

/// The channel of the future at 1.
fn this(cx: &Cx) -> Result<u32, Raise> {
    let found = cx.l.with::<FutureObject, _>(1, |future| future.0.id);
    found.ok_or_else(|| cx.wrong_type(1, "funcs.Future"))
}

fn response(cx: &mut Cx) -> Ret {
    let channel = this(cx)?;
    let l = cx.l;
    cx.vm().push_channel(l, channel);
    cx.values(1)
}

fn is_complete(cx: &mut Cx) -> Ret {
    let channel = this(cx)?;
    let future = cx.vm().channels[channel].future.as_ref();
    let is_complete = future.is_some_and(|future| future.result.is_some());
    cx.bool(is_complete)
}

fn is_canceled(cx: &mut Cx) -> Ret {
    let channel = this(cx)?;
    let future = cx.vm().channels[channel].future.as_ref();
    let is_canceled = future.is_some_and(|future| future.is_canceled);
    cx.bool(is_canceled)
}

fn result(cx: &mut Cx) -> Ret {
    let channel = this(cx)?;
    let l = cx.l;
    let Some(future) = &cx.vm().channels[channel].future else { return cx.nothing() };
    if future.is_canceled {
        return cx.fail(Error::new(Kind::Canceled, "canceled"));
    }
    match &future.result {
        None => l.push_nil(),
        Some(Ok(payload)) => payload.push(l),
        Some(Err(problem)) => {
            let problem = problem.clone();
            return cx.fail(problem);
        }
    }
    l.push_nil();
    cx.values(2)
}

fn problem(cx: &mut Cx) -> Ret {
    let channel = this(cx)?;
    let l = cx.l;
    let future = cx.vm().channels[channel].future.as_ref();
    let failure = future.filter(|future| !future.is_canceled).and_then(|it| it.result.as_ref());
    match failure {
        Some(Err(problem)) => {
            let message = format!("async call failed: {problem}");
            let failed = Error::internal(message).with_retryable(problem.retryable());
            let failed = match problem.details() {
                Some(details) => failed.with_details(details.clone()),
                None => failed,
            };
            error::push(l, failed);
            l.push_bool(true);
        }
        _ => {
            l.push_nil();
            l.push_bool(false);
        }
    }
    cx.values(2)
}

fn cancel(cx: &mut Cx) -> Ret {
    let channel = this(cx)?;
    let l = cx.l;
    cx.vm().cancel_future(channel);
    l.push_bool(true);
    l.push_nil();
    match cx.can_suspend() {
        true => cx.step_aside(2),
        false => cx.values(2),
    }
}

fn text(cx: &mut Cx) -> Ret {
    this(cx)?;
    cx.str("funcs.Future{}")
}
