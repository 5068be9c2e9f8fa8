--- Errors with a kind.
interface errors
  --- An error from a message, or from `{message=, kind=, retryable=, details=}`.
  function new(what: string | {message: string, kind: string?, retryable: boolean?, details: any}): Error
  --- An error like `parent`, with a context that is shown when it is wrapped again.
  function wrap(parent: Error | string | error, context: Error | string | error): Error
  --- Is it an error of this kind?
  function is(e: any, kind: string): boolean
  --- Where it was made.
  function call_stack(e: any): any
  NOT_FOUND: string
  ALREADY_EXISTS: string
  INVALID: string
  PERMISSION_DENIED: string
  UNAVAILABLE: string
  INTERNAL: string
  CANCELED: string
  CONFLICT: string
  TIMEOUT: string
  RATE_LIMITED: string
  UNKNOWN: string
end

--- An error object. `tostring` gives its message.
interface Error
  function message(): string
  --- One of the constants of `errors`.
  function kind(): string
  --- Is it worth trying again? nil: nobody knows.
  function retryable(): boolean?
  --- A fresh table, or nil.
  function details(): any
  --- Where it was made, as text.
  function stack(): string
end
