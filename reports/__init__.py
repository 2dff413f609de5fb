"""Tables, figures and HTML from run folders; never imports torch."""
