--- Entries out of definition files.
interface loader
  --- Reads in an `fs.directory` entry.
  function new(fs_id: string): (Loader?, error?)
end

--- Reads definition files of a file system, on another thread. Paths start at its root.
interface Loader
  --- The entries of all files below a directory, as `changes:create` takes them; files that cannot be
  --- used are logged.
  function load_directory(path: string): (any, error?)
  --- The entries of one file.
  function load_file(path: string): (any, error?)
end
