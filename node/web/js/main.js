// Starts the page. Replaced by the page itself.
