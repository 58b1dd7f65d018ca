// What Go's archive/tar makes of archives, one after the other: a line for each entry, then "end" or "error".
package main

import (
	"archive/tar"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"sort"
	"strings"
)

// Larger files are holes for the most part, and reading them is minutes of zeros.
const mostRead = 64 << 20

func main() {
	for _, path := range os.Args[1:] {
		file, err := os.Open(path)
		if err != nil {
			panic(err)
		}
		fmt.Println("archive", path)
		if err := list(tar.NewReader(file)); err != nil {
			fmt.Println("error", err)
		} else {
			fmt.Println("end")
		}
		file.Close()
	}
}

func list(reader *tar.Reader) error {
	for {
		header, err := reader.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if header.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		sum := "-"
		if header.Size <= mostRead {
			hash := crc32.NewIEEE()
			if _, err := io.Copy(hash, reader); err != nil {
				return err
			}
			sum = fmt.Sprintf("%08x", hash.Sum32())
		}
		attributes := []string{}
		for key, value := range header.PAXRecords {
			if strings.HasPrefix(key, "SCHILY.xattr.") {
				attributes = append(attributes, fmt.Sprintf("%s=%x", key[len("SCHILY.xattr."):], value))
			}
		}
		sort.Strings(attributes)
		fmt.Printf("%c %x %x %o %d:%d %d %d.%09d %s %s\n", header.Typeflag, header.Name, header.Linkname,
			header.Mode&07777, header.Uid, header.Gid, header.Size, header.ModTime.Unix(), header.ModTime.Nanosecond(),
			sum, strings.Join(attributes, ","))
	}
}
