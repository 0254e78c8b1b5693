"""The viewer: a page in the browser that shows clips on a head, and the small local server behind it."""
