#!/usr/bin/perl
# Writes a safetensors file without any library: make_weights.pl FILE KIND...
# gauss tails nan small odd ints norm embed: see below. Deterministic.
use strict;
use warnings;

my ($path, @kinds) = @ARGV;
srand(7);
my ($json, $data) = ("", "");

sub gauss { return sqrt(-2 * log(1 - rand())) * cos(6.283185307179586 * rand()); }
sub weights { return map { 0.02 * gauss() } 1 .. $_[0]; }
sub bf16 { return join "", map { substr(pack("f<", $_), 2) } @_; }    # truncates

sub add {
  my ($name, $dtype, $shape, $raw) = @_;
  my $begin = length $data;
  $data .= $raw;
  $json .= ($json eq "" ? "" : ",")
    . sprintf('"%s":{"dtype":"%s","shape":[%s],"data_offsets":[%d,%d]}',
    $name, $dtype, $shape, $begin, length $data);
}

my %make = (
  gauss => sub { add("model.layers.0.mlp.up_proj.weight", "BF16", "128,256", bf16(weights(32768))) },
  tails => sub {
    add("model.layers.1.mlp.down_proj.weight", "BF16", "128,256",
      bf16(map { $_ * 2**(6 * gauss()) } weights(32768)));
  },
  nan => sub {
    add("model.layers.2.mlp.up_proj.weight", "BF16", "128,256", bf16(weights(32767)) . "\xC0\x7F");
  },
  small => sub { add("model.layers.3.mlp.up_proj.weight", "F32", "16,16", pack("f<*", weights(256))) },
  odd   => sub { add("model.layers.4.mlp.up_proj.weight", "BF16", "250,130", bf16(weights(32500))) },
  ints  => sub { add("position_ids", "I64", "2", "\0" x 16) },
  norm  => sub { add("model.norm.weight", "F32", "256", pack("f<*", (1) x 256)) },
  nannorm => sub { add("model.norm.weight", "F32", "2", pack("f<", 1) . "\0\0\xC0\x7F") },
  embed => sub { add("model.embed_tokens.weight", "BF16", "128,128", bf16(weights(16384))) },
);
for my $kind (@kinds) {
  ($make{$kind} // die "make_weights.pl: unknown kind $kind\n")->();
}

open(my $file, ">:raw", $path) or die "make_weights.pl: $path: $!\n";
print $file pack("Q<", length($json) + 2), "{", $json, "}", $data;
close($file) or die "make_weights.pl: $path: $!\n";
