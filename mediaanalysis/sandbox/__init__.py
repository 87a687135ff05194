"""Child processes under guard: for every program that touches bytes a stranger sent.

`Sandbox.run` runs a command to its end; `Resident` keeps Python children that hold a model and answer calls. Both
live without network, without our environment, without any file but those of their work, under limits, and die with us:
on time-out, on cancel, on `kill -9`.
"""

from mediaanalysis.sandbox.guard import Capabilities, Limits, detect
from mediaanalysis.sandbox.landlock import Reach
from mediaanalysis.sandbox.reach import IMPORT_ROOT
from mediaanalysis.sandbox.resident import Resident
from mediaanalysis.sandbox.runner import Completed, Sandbox

__all__ = ["IMPORT_ROOT", "Capabilities", "Completed", "Limits", "Reach", "Resident", "Sandbox", "detect"]
