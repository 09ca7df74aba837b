module github.com/halosync/halosync/tools/house

go 1.26.0
