#!/bin/bash
check() { return 255; }
depends() { return 0; }
install() { inst_hook pre-pivot 50 "$moddir/early-hook.sh"; }
