--- Numbers.
interface math
  function abs(x: number | string): number
  function acos(x: number | string): number
  function asin(x: number | string): number
  function atan(x: number | string): number
  function ceil(x: number | string): number
  function cos(x: number | string): number
  function cosh(x: number | string): number
  function deg(x: number | string): number
  function exp(x: number | string): number
  function floor(x: number | string): number
  function log(x: number | string): number
  function log10(x: number | string): number
  function rad(x: number | string): number
  function sin(x: number | string): number
  function sinh(x: number | string): number
  function sqrt(x: number | string): number
  function tan(x: number | string): number
  function tanh(x: number | string): number
  function sign(x: number | string): number
  function round(x: number | string): number
  --- The angle of a point.
  function atan2(y: number | string, x: number | string): number
  function clamp(x: number, min: number, max: number): number
  function fmod(x: number | string, y: number | string): number
  function mod(x: number | string, y: number | string): number
  --- Mantissa and exponent.
  function frexp(x: number): (number, number)
  function ldexp(x: number, exponent: number): number
  function lerp(a: number, b: number, t: number): number
  function map(x: number, inmin: number, inmax: number, outmin: number, outmax: number): number
  function max(x: number | string, ...: number | string): number
  function min(x: number | string, ...: number | string): number
  --- Whole and fractional part.
  function modf(x: number | string): (number, number)
  function noise(x: number, y?: number, z?: number): number
  function pow(x: number | string, y: number | string): number
  --- In [0, 1); up to `m`; from `m` to `n`.
  function random(m?: number, n?: number): number
  --- Nothing: numbers are random from the start.
  function randomseed(...: any): ()
  --- The integral number that `x` is, or nil.
  function tointeger(x: any): integer?
  --- "integer", "float" or nil.
  function type(x: any): string?
  --- `a < b` as unsigned integers.
  function ult(a: number, b: number): boolean
  function isnan(x: number): boolean
  function isinf(x: number): boolean
  function isfinite(x: number): boolean
  pi: number
  --- Euler's number.
  e: number
  --- Twice `pi`.
  tau: number
  --- The golden ratio.
  phi: number
  sqrt2: number
  --- Unlike any number, itself too.
  nan: number
  huge: number
  maxinteger: number
  mininteger: number
end
