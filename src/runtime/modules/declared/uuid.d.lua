--- UUIDs, as 36 characters in lower case.
interface uuid
  --- By time and node.
  function v1(): (string?, error?)
  --- By a name in a namespace, with MD5.
  function v3(namespace: string, name: string): (string?, error?)
  --- Random.
  function v4(): (string?, error?)
  --- By a name in a namespace, with SHA-1.
  function v5(namespace: string, name: string): (string?, error?)
  --- By time; they sort by it.
  function v7(): (string?, error?)
  --- Is it the text of a UUID?
  function validate(id: any): boolean
  function version(id: string): (number?, error?)
  --- "RFC4122", "Reserved", "Microsoft", "Future", "NCS" or "Invalid".
  function variant(id: string): (string?, error?)
  --- Its parts; Unix seconds in versions 1 and 7, six bytes of the node in version 1.
  function parse(id: string): ({version: number, variant: string, timestamp: number?, node: string?}?, error?)
  --- In another spelling.
  function format(id: string, spelling?: "standard" | "simple" | "urn"): (string?, error?)
end
