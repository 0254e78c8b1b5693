"""Our own head: geometry made by code, with the 52 ARKit targets and 15 visemes."""
