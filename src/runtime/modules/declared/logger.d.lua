type logger = Logger

--- A logger; fields are a table.
interface Logger
  function debug(msg: string | number | error, fields?: any): ()
  function info(msg: string | number | error, fields?: any): ()
  function warn(msg: string | number | error, fields?: any): ()
  function error(msg: string | number | error, fields?: any): ()
  --- A logger with further fields.
  function with(fields: any): Logger
  --- A logger below this one.
  function named(name: string): Logger
end
