#!/bin/sh
# What the initrd has loaded and made, as seen before the rootfs takes over.
cat /sys/module/loop/parameters/max_loop > /run/early-max-loop
ls -l /dev/early-medium > /run/early-link
