"""Networks that turn a picture into a vector, behind one seam each: open_clip for subjects, descriptors for copies."""
