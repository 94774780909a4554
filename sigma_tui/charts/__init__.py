"""Charts drawn in cells: pure drawing as text and roles, and the widgets that colour it."""
