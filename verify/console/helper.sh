# Runs commands for the other end of a serial line that loses and mixes up what it carries.
# Plain POSIX sh with base64, cat, grep, rm, sed, stty and sha256sum or cksum.
#
# Arguments: the directory this file lies in (ours, removed at the end), the terminal settings to put back,
# the umask and the working directory for commands.
#
# One request is a line, and is ignored unless its shape is whole:
#   p NONCE c|i INDEX LENGTH DATA   one piece of the command (c) or of its standard input (i), in base64
#   g NONCE C I SUM SUM             run it: numbers of pieces, checksums of command and input
#   q NONCE                         say again how the command ended
#   a NONCE SCRIPT                  send some lines of the answer again; a sed script of line ranges
#   e NONCE                         echo
#   z NONCE                         leave, and leave nothing behind (no answer)
# A command can be interrupted with ^C, and nothing else can.
# Answers start with "%NONCE ":
#   n c|i INDEX...  these pieces are missing      m  that was all that are missing
#   b  the checksum does not fit
#   k  the command runs                           l INDEX:DATA  one line of the answer
#   s LINES SUM  the answer is complete           v  echo
#   f  the answer could not be written down       o  the answer has too many lines to number
# The answer: "NONCE=EXITCODE", standard output in base64, "=", standard error in base64, "=".
d=$1 t=$2 m=$3 w=$4
cd "$w" 2>/dev/null || cd /
if command -v sha256sum >/dev/null; then s=sha256sum; else s=cksum; fi
if command -v setsid >/dev/null; then o=setsid; else o=; fi
u= f=0 r= p= C=0 I=0

say() { printf '%%%s\n' "$*"; }

# The checksum of a file; cksum's has two words.
sum() {
  set -- $($s <"$1")
  if [ $s = cksum ]; then z=$1-$2; else z=$1; fi
}

pad() {
  y=0000$1
  y=${y#"${y%?????}"}
}

# The missing pieces of stream $1, which has $2: at most forty, in short lines, so that few are garbled.
missing() {
  i=0 h= c=0
  while [ $i -lt "$2" ] && [ $c -lt 40 ]; do
    i=$((i + 1))
    pad $i
    eval "x=\${$1$y}"
    [ "$x" ] && continue
    h="$h $y" c=$((c + 1))
    [ $((c % 8)) = 0 ] && { say "$n n $1$h"; h=; }
  done
  [ "$h" ] && say "$n n $1$h"
  [ $c -gt 0 ] && say "$n m"
}

# Writes stream $1 of $2 pieces out, decoded.
decode() {
  i=0
  while [ $i -lt "$2" ]; do
    i=$((i + 1))
    pad $i
    eval "printf '%s\n' \"\${$1$y}\""
  done | base64 -d >"$d/$1"
}

forget() {
  i=0
  while [ $i -lt $C ]; do i=$((i + 1)); pad $i; unset c$y; done
  i=0
  while [ $i -lt $I ]; do i=$((i + 1)); pad $i; unset i$y; done
  C=0 I=0
}

# A command has a session of its own: no terminal to ask on, and one signal ends all of it.
interrupted() { [ "$p" ] && { kill -9 -$p || kill -9 $p; } 2>/dev/null; }

perform() {
  if [ $b -gt 0 ]; then j=$d/i; else j=/dev/null; fi
  (
    umask "$m"
    exec $o sh "$d/c"
  ) <"$j" >"$d/o" 2>"$d/e" &
  p=$!
  trap interrupted INT
  while :; do
    wait $p
    x=$?
    [ $x -gt 128 ] && kill -0 $p 2>/dev/null || break
  done
  p=
  trap '' INT
  [ $b -gt 0 ] && rm -f "$d/i"
  echo $n=$x >"$d/r" && section o && section e && sum "$d/r" && [ "$z" ]
}

# Adds a stream to the answer.
section() {
  { [ ! -s "$d/$1" ] || base64 "$d/$1"; } && echo =
} >>"$d/r"

# Lines of the answer, numbered in five digits; $1 is a sed script that picks them.
lines() {
  grep -n '' "$d/r" | sed -n "s/^/0000/;s/^0*\(.....:\)/\1/;s/^/%$n l /;$1"
}

# Sends the whole answer: the first lines without starting a program, the rest in bulk. More lines than
# five digits can number are not sent.
answer() {
  k=0
  while [ $k -lt 60 ] && read -r h; do
    k=$((k + 1))
    pad $k
    say "$n l $y:$h"
  done <"$d/r"
  if [ $k -ge 60 ]; then
    k=$(grep -c '' "$d/r")
    [ $k -gt 99999 ] && { l=o; return; }
    lines '61,$p'
  fi
  pad $k
  l="s $y $z"
  tell
}

# How the last command ended; said twice, because a lost one costs a wait.
tell() { say "$n $l"; }

go() {
  [ "$n" = "$r" ] && { tell; return; }
  [ "$n" = "$u" ] || { forget; u=$n; }
  missing c $a && return
  missing i $b && return
  decode c $a
  sum "$d/c"
  [ "$z" = "$e" ] || { forget; say "$n b"; return; }
  if [ $b -gt 0 ]; then
    decode i $b
    sum "$d/i"
    [ "$z" = "$g" ] || { forget; say "$n b"; return; }
  fi
  say "$n k"
  forget
  r=$n l=f
  perform && answer
  tell
}

piece() {
  [ "$n" = "$r" ] && return
  [ ${#b} = 5 ] && [ ${#g} = "$e" ] || return
  case $a$b in *[!ci0-9]*) return ;; esac
  case $g in *[!A-Za-z0-9+/=]*) return ;; esac
  case $a in ?) ;; *) return ;; esac
  [ "$n" = "$u" ] || { forget; u=$n; }
  eval "$a$b=\$g"
  b=${b#"${b%%[!0]*}"}
  case $a in
  c) [ "$b" -gt $C ] && C=$b ;;
  i) [ "$b" -gt $I ] && I=$b ;;
  esac
}

trap 'interrupted; rm -rf "$d"; exit' HUP
trap '' INT QUIT TSTP
while [ $f -lt 9 ]; do
  read -r v n a b e g || { f=$((f + 1)); continue; }
  f=0
  case $n in ????????) ;; *) continue ;; esac
  case $n in *[!a-z0-9]*) continue ;; esac
  case $v in
  p) piece ;;
  g)
    case $a$b in *[!0-9]* | '') continue ;; esac
    [ "$b" ] && go
    ;;
  q) [ "$n" = "$r" ] && tell ;;
  a)
    case $a in *[!0-9p,\;]*) continue ;; esac
    [ "$n" = "$r" ] && lines "$a"
    ;;
  e) say "$n v" ;;
  z) break ;;
  esac
done 2>/dev/null
rm -rf "$d"
stty "$t"
