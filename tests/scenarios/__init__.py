"""Every scenario, built and booted for real; and media with known defects, each of which has to be caught."""
