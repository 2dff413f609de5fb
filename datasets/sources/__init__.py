"""What `--data` names: the embedded photographs, BSDS500, the data sets of the papers, any folder of images."""
