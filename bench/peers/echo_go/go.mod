module weft/bench/peers/echo_go

go 1.26
