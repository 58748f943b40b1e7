"""What notebooks and stages share: parameters, paths, execution, runs, fan-out. Nothing below this layer imports it."""

import sys

# jsonschema compiles a grammar for internationalised addresses whenever nbformat is imported: two seconds for a format that
# notebooks do not use. A blocked import makes it go without.
sys.modules.setdefault("rfc3987_syntax", None)
