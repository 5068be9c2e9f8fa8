--- JSON.
interface json
  --- A value as compact JSON; nil is `null`.
  function encode(v?: any): (string?, error?)
  --- The first value of a text; `null` is nil.
  function decode(text: string): (any, error?)
  --- Does a value have the shape that a schema (a table, or JSON) asks for?
  function validate(schema: table | string, data: any): (boolean, error?)
  --- The same for a value that is written as JSON.
  function validate_string(schema: table | string, text: string): (boolean, error?)
end
