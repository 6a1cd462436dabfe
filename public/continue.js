// Runs deferred: the form is there, and the page that it leads to replaces this one in the history.
HTMLFormElement.prototype.submit.call(document.forms[0]);
