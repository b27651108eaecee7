"""Bytes of a YAML or JSON file, read as kubectl reads them.

kubectl splits a file at its `---` lines, gives each piece to go-yaml v2 and turns what comes out
into JSON (`k8s.io/apimachinery/pkg/util/yaml`, `sigs.k8s.io/yaml`). That is neither YAML 1.1 nor
1.2: `yes` is true, `0o17` is fifteen, `12:30:00` and `2001-01-01` are strings. The rules are
written here for libyaml's event stream, which has no recursion and thus no depth that breaks it.

Nothing here opens a file, builds an object other than JSON's, or lets two places of a result share
a list or a mapping. An error names a file and a line, at times a key, never a value: the value may
be a secret.

Stricter than kubectl, which would go on in silence:

- a key written twice, also as `1` and `"1"`; a tag that is none of YAML's own; invalid UTF-8,
  which kubectl replaces; half a surrogate pair in JSON;
- anything after the end of a document that is neither a comment nor a new `---`: kubectl reads
  the first document of each piece and drops the rest;
- more than 100 levels of nesting, and aliases that expand to more than 100,000 nodes in a file.

Read by kubectl and refused here, each with an error:

- between brackets or braces, `{a:}`, where kubectl takes the colon into the text, and
  `[!!str , a]`, where it takes the comma into the tag;
- the tag `!!timestamp`, a tag of another kind than its node, `!!binary` that is no text;
- YAML that is not JSON in a file named `.json`.

Read here and refused by kubectl: `"\\/"` in YAML, and a last document of less than four bytes.
"""

from towline.core.yamltext.files import Document, documents, place_of

__all__ = ["Document", "documents", "place_of"]
